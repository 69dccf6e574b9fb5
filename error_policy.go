package weir

// ErrorAction says how an application goes on after a record that could not be processed.
type ErrorAction int8

const (
	// Fail ends Run with the error. The offset of the record is not committed: the next start meets it again.
	Fail ErrorAction = iota
	// Skip counts and logs the record and goes on with the next. Changes and output of the record before it failed
	// are kept, unless the cluster refused its output: then the work since the last checkpoint is done again
	// without the record.
	Skip
	// DeadLetter writes the record, as it lies in its input topic, to the topic of dead letters, and goes on as Skip does. With ExactlyOnce the
	// letter is part of the transaction of the checkpoint. A letter that cannot be written ends Run.
	DeadLetter
	// TryAgain goes back to the last checkpoint and processes the record again after a wait, in which the worker reads no input. Only a Decide function
	// returns it, and it says by FailedRecord.Attempt when to stop; a rule has Retry for that. At least once, output since the
	// checkpoint is written again with each attempt.
	TryAgain
)

// String returns the name of the action in words.
func (a ErrorAction) String() string {
	switch a {
	case Fail:
		return "fail"
	case Skip:
		return "skip"
	case DeadLetter:
		return "dead letter"
	case TryAgain:
		return "try again"
	default:
		return "unknown action"
	}
}

// ErrorPolicy decides about records that cannot be processed: they do not decode or encode, a function of the topology
// returned an error or panicked, a lookup failed, or the cluster or the target of a sink does not take a record or a state that they
// have made. The zero value ends Run with the first of them.
//
//	weir.ErrorPolicy{Action: weir.DeadLetter} // for everything
//
//	weir.ErrorPolicy{ // by stage, and the rest as a function says
//		Rules: []weir.ErrorRule{
//			{Stages: []weir.Stage{weir.StageDecode}, Action: weir.DeadLetter},
//			{Stages: []weir.Stage{weir.StageLookup}, Retry: &weir.Retry{Attempts: 10}, Action: weir.Fail},
//		},
//		Decide: func(f *weir.FailedRecord) weir.ErrorAction { ... },
//	}
//
// Errors that no record has caused end Run under every policy: a database that cannot be read, a producer that has failed.
type ErrorPolicy struct {
	// Action is the action for errors that no rule matches. The default is Fail.
	Action ErrorAction
	// Decide, if it is not nil, chooses the action in place of Action. The goroutine that runs the task calls it, or
	// the one that reads global tables; they may call it at the same time. It is not asked as long as Retry allows another attempt.
	Decide func(*FailedRecord) ErrorAction
	// Retry, if it is not nil, says how often a record is tried again before Action or Decide counts. Each attempt goes back to the last
	// checkpoint, as TryAgain does. Retry.If chooses the errors that may pass. A refusal of the cluster is not tried again.
	Retry *Retry
	// Rules are asked in their order: the first that matches decides, in place of Action, Decide and Retry.
	Rules []ErrorRule
	// Dropped are the actions for records that operators leave out without an error, by reason. The default is Skip, which counts them;
	// TryAgain is not possible. The record goes on to the other operators in any case, unless the action is Fail.
	Dropped map[DropReason]ErrorAction
	// DeadLetters describes the topic of dead letters.
	DeadLetters DeadLetterOptions
}

// ErrorRule is a part of an [ErrorPolicy] that holds for some errors. A field that is empty matches every error.
type ErrorRule struct {
	// Stages are the stages of processing.
	Stages []Stage
	// Topics are input topics, as Origin.Topic, or without Config.Prefix.
	Topics []string
	// Operators are operators, as Topology.Describe and ProcessingError.Node name them, such as "map-1" or "window tumbling(1m)".
	Operators []string
	// Match looks at the error.
	Match func(error) bool

	// Action, Decide and Retry are as in [ErrorPolicy].
	Action ErrorAction
	Decide func(*FailedRecord) ErrorAction
	Retry  *Retry
}

// DeadLetterOptions describes the topic of dead letters, which Run makes if it does not exist, and when it is used. The topic is
// made if an Action of the policy is DeadLetter, or if Topic is set. A policy with a Decide function that returns DeadLetter needs Topic.
type DeadLetterOptions struct {
	// Topic is the name of the topic, without Config.Prefix. The default is "deadletters__GROUP". The application must not read it.
	Topic string
	// Partitions is the number of partitions of a topic that is made. The default is the greatest number of the input topics.
	Partitions int32
	// Config are settings of a topic that is made, by Kafka's names. The default keeps letters without limit. Letters carry the times of their
	// records, and Kafka's retention counts by these: with retention.ms, letters of old records are deleted at once.
	Config map[string]string
	// MaxShare is the share of the records, between 0 and 1, that may become letters. When more of them do, it is no poisonous record but a bug or
	// an outage, and Run ends with ErrTooManyLetters; exactly once, the transaction is aborted, and no letter of it is left. The share
	// is that of the records of a worker since the last checkpoint, and of at least 100 records; it is not looked at before 50 of them
	// are letters. The default is 0.5. 1 turns the limit off.
	MaxShare float64
	// SpringHeaders adds the headers of Spring's DeadLetterPublishingRecoverer (kafka_dlt-original-topic and so on), with its binary numbers.
	SpringHeaders bool
}

// DropReason is a reason for which an operator leaves a record out without an error.
type DropReason string

const (
	// DropNullKey says that an operator with state is given a record with a null key.
	DropNullKey DropReason = "null key"
	// DropLate says that a window is closed, or that a join does not keep records of that time any more.
	DropLate DropReason = "late"
	// DropFuture says that the time of a record is too far ahead of the clock (MaxFutureSkew).
	DropFuture DropReason = "future"
	// DropIgnored says that the codec passes over the message (codec.ErrIgnore).
	DropIgnored DropReason = "ignored"
)
