package deadletter

import (
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/letter"
	"github.com/weirstreams/weir/kafka"
)

// Names of the headers of letters. The first six are those of Kafka Streams.
const (
	HeaderTopic      = letter.Topic
	HeaderPartition  = letter.Partition
	HeaderOffset     = letter.Offset
	HeaderException  = letter.Exception
	HeaderMessage    = letter.Message
	HeaderStacktrace = letter.Stack

	HeaderGroup    = letter.Group
	HeaderTask     = letter.Task
	HeaderOperator = letter.Operator
	HeaderSite     = letter.Site
	HeaderStage    = letter.Stage
	HeaderAttempt  = letter.Attempt
	HeaderTime     = letter.Time
	HeaderVersion  = letter.Version
	HeaderReason   = letter.Reason

	// HeaderReplays is how many times the record was replayed. It stays with a replayed record.
	HeaderReplays = letter.Replays
)

// Topic returns the name of the topic of dead letters of a group, unless its policy names another.
func Topic(group string) string { return "deadletters__" + group }

// Letter is a dead letter.
type Letter struct {
	// Origin is where the record lay, with the name of the topic on the cluster. Size and LeaderEpoch are not known.
	Origin weir.Origin
	// At is where the letter lies.
	At weir.Origin
	// Key and Value are the bytes of the record; nil is null.
	Key, Value []byte
	// Headers are those of the record, without those about the error.
	Headers []weir.Header
	// Time is the time of the record, and Failed that of the error.
	Time, Failed time.Time
	// Exception is the Go type of the error, Message its text, and Stacktrace the stack of a panic, or the operator.
	Exception, Message, Stacktrace string
	// Group is the consumer group, Task the task, Operator and Site are as in weir.ProcessingError, and Version is that of Weir.
	Group, Task, Operator, Site, Version string
	Stage                                weir.Stage
	// Reason is not empty if an operator has dropped the record.
	Reason weir.DropReason
	// Attempt is how many times the record had failed, and Replays how many times it was replayed before.
	Attempt, Replays int
}

// Parse returns the letter in a record of a topic of dead letters. A field without a header, or with one that is not a number where it should be, is
// empty: another application may have written the record. It shares the memory of m.
func Parse(m *kafka.Message) *Letter {
	l := &Letter{At: m.Origin, Key: m.Key, Value: m.Value, Time: m.Time}
	l.Origin.Offset, l.Origin.Partition = -1, weir.NoPartition
	for _, h := range m.Headers {
		text := string(h.Value)
		switch h.Key {
		case HeaderTopic:
			l.Origin.Topic = text
		case HeaderPartition:
			if n, err := strconv.ParseInt(text, 10, 32); err == nil {
				l.Origin.Partition = int32(n)
			}
		case HeaderOffset:
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				l.Origin.Offset = n
			}
		case HeaderException:
			l.Exception = text
		case HeaderMessage:
			l.Message = text
		case HeaderStacktrace:
			l.Stacktrace = text
		case HeaderGroup:
			l.Group = text
		case HeaderTask:
			l.Task = text
		case HeaderOperator:
			l.Operator = text
		case HeaderSite:
			l.Site = text
		case HeaderVersion:
			l.Version = text
		case HeaderStage:
			l.Stage = weir.Stage(text)
		case HeaderReason:
			l.Reason = weir.DropReason(text)
		case HeaderAttempt:
			l.Attempt, _ = strconv.Atoi(text)
		case HeaderReplays:
			l.Replays, _ = strconv.Atoi(text)
		case HeaderTime:
			l.Failed, _ = time.Parse(letter.TimeFormat, text)
		}
		if !letter.IsAboutError(h.Key) {
			l.Headers = append(l.Headers, h)
		}
	}
	return l
}

// Decode decodes the record of a letter with the codecs of its topic. The errors are those of [kafka.Decode].
func Decode[K, V any](topic kafka.Topic[K, V], l *Letter) (weir.Record[K, V], error) {
	origin := l.Origin
	return kafka.Decode(topic, &kafka.Message{Origin: origin, Key: l.Key, Value: l.Value, Headers: l.Headers, Time: l.Time})
}
