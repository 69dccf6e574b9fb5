package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/kafka"
)

// ReplayOptions configure [Replay].
type ReplayOptions struct {
	// Topic is the topic of dead letters, without Config.Prefix: see [Topic].
	Topic string
	// Group is the consumer group of the replay, without Config.Prefix. A run goes on where the last one of the group has ended; a new group begins with
	// the first letter. The default is "replay__TOPIC".
	Group string
	// DryRun writes and commits nothing.
	DryRun bool
	// After and Before bound the time of the error, if they are not zero.
	After, Before time.Time
	// Topics, Exceptions, Operators and Stages choose letters by their fields; empty ones take all. Topics go without Config.Prefix.
	Topics, Exceptions, Operators []string
	Stages                        []weir.Stage
	// Message is a part of the text of the error.
	Message string
	// Filter chooses letters too, if it is not nil.
	Filter func(*Letter) bool
	// Limit is how many records are replayed at most. 0 means all.
	Limit int
	// MaxReplays is how many times a record is replayed at most: one that has come back as often is put aside, so that it does not go round without
	// end. 0 means 3.
	MaxReplays int
	// Idle is how long no letter may come until the run ends. 0 means 5 s.
	Idle time.Duration
}

// ReplayReport counts the letters of a run.
type ReplayReport struct {
	// Replayed is the number of records that were written, or would be, PutAside of those with MaxReplays replays, Filtered of those that the
	// options do not choose, and Unknown of those without a topic or partition in their headers.
	Replayed, PutAside, Filtered, Unknown int
	// Counts are those of Replayed, by topic, exception and operator.
	ByTopic, ByException, ByOperator map[string]int
}

// replayBatch is how many letters are read between two commits.
const replayBatch = 500

// Replay writes the records of letters to the topics and partitions that they came of, with key, value, headers and time as they were, and with one
// replay more in the header HeaderReplays. It ends when no letter has come for ReplayOptions.Idle, or after ReplayOptions.Limit records. A record that
// fails again comes back as a letter, and may be replayed again by the same run.
//
// The group commits the letters behind which all records are acknowledged: a run that was broken off is repeated from there, and some
// records may be written twice. Letters that the options do not choose are passed over and committed too: use another Group for them later.
//
// The errors are those of [kafka.NewConsumer], [kafka.Consumer.Poll], [kafka.NewProducer] and [kafka.Producer.Flush].
func Replay(ctx context.Context, config kafka.Config, options ReplayOptions) (report *ReplayReport, err error) {
	if options.Topic == "" {
		return nil, fmt.Errorf("replay: %w: give ReplayOptions.Topic", weir.ErrConfiguration)
	}
	options.Group = cmp.Or(options.Group, "replay__"+options.Topic)
	options.MaxReplays = cmp.Or(options.MaxReplays, 3)
	options.Idle = cmp.Or(options.Idle, 5*time.Second)
	reader, err := NewReader(ctx, config, ReaderOptions{Topic: options.Topic, Group: options.Group, ManualCommit: true})
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	defer func() { err = errors.Join(err, reader.Close(context.WithoutCancel(ctx))) }()
	r := &replay{
		prefix: config.Prefix, options: options,
		report: &ReplayReport{ByTopic: map[string]int{}, ByException: map[string]int{}, ByOperator: map[string]int{}},
	}
	if !options.DryRun {
		if r.producer, err = kafka.NewProducer(ctx, config, kafka.ProducerOptions{}); err != nil {
			return nil, fmt.Errorf("replay: %w", err)
		}
		defer func() { err = errors.Join(err, r.producer.Close()) }()
	}
	for more := true; more; {
		if more, err = r.batch(ctx, reader); err != nil {
			return r.report, fmt.Errorf("replay of %s: %w", options.Topic, err)
		}
	}
	return r.report, nil
}

// replay is one run.
type replay struct {
	prefix   string
	options  ReplayOptions
	producer *kafka.Producer // nil in a dry run
	report   *ReplayReport
}

// batch replays some letters and commits them, and reports whether there may be more.
func (r *replay) batch(ctx context.Context, reader *Reader) (more bool, err error) {
	more = true
	for range replayBatch {
		l, err := reader.Poll(ctx, r.options.Idle)
		if err != nil {
			return false, err
		}
		if l == nil {
			more = false
			break
		}
		if err := r.letter(ctx, l); err != nil {
			return false, fmt.Errorf("the letter at offset %d of partition %d: %w", l.At.Offset, l.At.Partition, err)
		}
		if r.options.Limit > 0 && r.report.Replayed >= r.options.Limit {
			more = false
			break
		}
	}
	if r.producer == nil {
		return more, nil
	}
	if err := r.producer.Flush(ctx); err != nil {
		return false, err
	}
	return more, reader.Commit(ctx)
}

// letter replays one letter, if the options choose it.
func (r *replay) letter(ctx context.Context, l *Letter) error {
	topic := strings.TrimPrefix(l.Origin.Topic, r.prefix)
	switch {
	case !r.options.Chooses(l, r.prefix):
		r.report.Filtered++
		return nil
	case topic == "" || l.Origin.Partition < 0:
		r.report.Unknown++
		return nil
	case l.Replays >= r.options.MaxReplays:
		r.report.PutAside++
		return nil
	}
	if r.producer != nil {
		headers := slices.DeleteFunc(slices.Clone(l.Headers), func(h weir.Header) bool { return h.Key == HeaderReplays })
		headers = append(headers, weir.Header{Key: HeaderReplays, Value: []byte(strconv.Itoa(l.Replays + 1))})
		m := &kafka.Message{
			Origin: weir.Origin{Topic: topic, Partition: l.Origin.Partition}, Key: l.Key, Value: l.Value, Headers: headers, Time: l.Time,
		}
		if err := r.producer.SendMessage(ctx, m); err != nil {
			return err
		}
	}
	r.report.Replayed++
	r.report.ByTopic[topic]++
	r.report.ByException[l.Exception]++
	r.report.ByOperator[l.Operator]++
	return nil
}

// Chooses reports whether the options choose a letter by its fields and by Filter. prefix is Config.Prefix, which the topic of the letter has.
func (o *ReplayOptions) Chooses(l *Letter, prefix string) bool {
	some := func(chosen []string, value string) bool { return len(chosen) == 0 || slices.Contains(chosen, value) }
	return some(o.Topics, strings.TrimPrefix(l.Origin.Topic, prefix)) && some(o.Exceptions, l.Exception) && some(o.Operators, l.Operator) &&
		(len(o.Stages) == 0 || slices.Contains(o.Stages, l.Stage)) &&
		(o.After.IsZero() || l.Failed.After(o.After)) && (o.Before.IsZero() || l.Failed.Before(o.Before)) &&
		strings.Contains(l.Message, o.Message) && (o.Filter == nil || o.Filter(l))
}
