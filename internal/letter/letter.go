package letter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/internal/raw"
)

// Sender describes the writer of a letter.
type Sender struct {
	// Group is the consumer group, with its prefix, and Task the name of the task, or of the global table.
	Group, Task string
	// Spring adds the headers of Spring.
	Spring bool
}

// Bounds of texts in headers, in bytes: a letter must not become much larger than its record.
const (
	maxMessage = 8 << 10
	maxStack   = 16 << 10
)

// New returns the letter of a record: its key, value, time and headers, and behind them the headers about the error. It shares the bytes of the
// record. Headers that an earlier letter has added are left out.
func (s Sender) New(r *raw.Record, failure *weir.ProcessingError, attempt int, now time.Time) raw.Record {
	headers := make([]weir.Header, 0, len(r.Headers)+18)
	for _, h := range r.Headers {
		if !IsAboutError(h.Key) {
			headers = append(headers, h)
		}
	}
	add := func(name, value string) { headers = append(headers, weir.Header{Key: name, Value: []byte(value)}) }
	class, message, stack := classOf(failure.Err), cut(failure.Err.Error(), maxMessage), stackOf(failure)
	add(Topic, failure.Topic)
	add(Partition, strconv.FormatInt(int64(failure.Partition), 10))
	add(Offset, strconv.FormatInt(failure.Offset, 10))
	add(Exception, class)
	add(Message, message)
	add(Stack, stack)
	add(Group, s.Group)
	add(Task, s.Task)
	add(Operator, failure.Node)
	add(Site, failure.Site)
	add(Stage, string(failure.Stage))
	add(Attempt, strconv.Itoa(attempt))
	add(Time, now.UTC().Format(TimeFormat))
	add(Version, version())
	if dropped, ok := errors.AsType[*weir.DroppedError](failure.Err); ok {
		add(Reason, string(dropped.Reason))
	}
	if s.Spring {
		headers = s.spring(headers, r, failure, class, message, stack)
	}
	return raw.Record{Key: r.Key, Value: r.Value, Headers: headers, Millis: r.Millis}
}

// spring adds the headers of Spring's DeadLetterPublishingRecoverer. Their numbers are big-endian.
func (s Sender) spring(headers []weir.Header, r *raw.Record, failure *weir.ProcessingError, class, message, stack string) []weir.Header {
	add := func(name string, value []byte) {
		headers = append(headers, weir.Header{Key: SpringPrefix + name, Value: value})
	}
	add("original-topic", []byte(failure.Topic))
	add("original-partition", binary.BigEndian.AppendUint32(nil, uint32(failure.Partition)))
	add("original-offset", binary.BigEndian.AppendUint64(nil, uint64(failure.Offset)))
	add("original-timestamp", binary.BigEndian.AppendUint64(nil, uint64(r.Millis)))
	add("original-timestamp-type", []byte("CREATE_TIME"))
	add("original-consumer-group", []byte(s.Group))
	add("exception-fqcn", []byte(fmt.Sprintf("%T", failure.Err)))
	add("exception-cause-fqcn", []byte(class))
	add("exception-message", []byte(message))
	add("exception-stacktrace", []byte(stack))
	return headers
}

// WithoutStack returns a letter without its stack, for topics that do not take it with.
func WithoutStack(r raw.Record) raw.Record {
	headers := make([]weir.Header, 0, len(r.Headers))
	for _, h := range r.Headers {
		if h.Key == Stack || h.Key == SpringPrefix+"exception-stacktrace" {
			h.Value = []byte("left out, because the topic does not take a record of this size")
		}
		headers = append(headers, h)
	}
	r.Headers = headers
	return r
}

// PartitionOf returns the partition of a letter: that of its key, or one by the partition of a record without a key.
func PartitionOf(key []byte, origin int32, partitions int32) int32 {
	if key == nil {
		return origin % partitions
	}
	return murmur2.Partition(key, partitions)
}

// classOf returns the type of the innermost error that has a type of its own.
func classOf(err error) string {
	class := fmt.Sprintf("%T", err)
	for err != nil {
		if name := fmt.Sprintf("%T", err); !isWrapper(name) {
			class = name
		}
		switch wrapped := err.(type) { //nolint:errorlint // it takes the chain apart
		case interface{ Unwrap() error }:
			err = wrapped.Unwrap()
		case interface{ Unwrap() []error }:
			if all := wrapped.Unwrap(); len(all) > 0 {
				err = all[0]
			} else {
				err = nil
			}
		default:
			err = nil
		}
	}
	return class
}

// isWrapper reports whether a type of errors says nothing by its name.
func isWrapper(name string) bool {
	switch name {
	case "*fmt.wrapError", "*fmt.wrapErrors", "*errors.joinError", "*errors.errorString", "*operator.fatalError":
		return true
	default:
		return false
	}
}

// stackOf returns the stack of a panic, or the operator of another error.
func stackOf(failure *weir.ProcessingError) string {
	if failure.Stack != nil {
		return cut(string(failure.Stack), maxStack)
	}
	return fmt.Sprintf("at %s (%s)", failure.Node, failure.Site)
}

// cut bounds the length of a text, and makes it valid UTF-8.
func cut(text string, most int) string {
	if len(text) > most {
		text = text[:most-len(" ...")] + " ..."
	}
	return strings.ToValidUTF8(text, "�")
}
