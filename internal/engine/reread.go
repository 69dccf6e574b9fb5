package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// Bytes of records are not kept beside the records that wait for a lookup, an asynchronous call or a sink: that would cost memory for each of them,
// and hardly any fails. One that does is read from its topic again.

// workBatch are the records that a task processes at the moment, so that the bytes of one that fails are at hand.
type workBatch struct {
	topic   string
	records []broker.Record
}

// before returns how many of the records were processed when one of them, or one that was held in front of them, has failed.
func (b *workBatch) before(origin weir.Origin) int {
	i, found := b.find(origin)
	if found {
		return i + 1
	}
	return len(b.records)
}

func (b *workBatch) find(origin weir.Origin) (i int, found bool) {
	if b.topic != origin.Topic {
		return 0, false
	}
	return slices.BinarySearchFunc(b.records, origin.Offset, func(r broker.Record, offset int64) int { return cmp.Compare(r.Offset, offset) })
}

// inputRecord returns an input record of the task as it lies in its topic, valid until the end of the step.
func (t *task) inputRecord(origin weir.Origin) (*broker.Record, error) {
	if i, found := t.work.find(origin); found {
		return &t.work.records[i], nil
	}
	tp := broker.TopicPartition{Topic: origin.Topic, Partition: origin.Partition}
	if isFeed(t.part) {
		return nil, &goneError{tp, origin.Offset, "it comes of a source outside of Kafka, and was not written to a topic yet: choose Skip or Fail for it"}
	}
	return t.failures.reread.read(t.env.StepContext(), tp, origin.Offset)
}

// reReader reads single records again, through a fetcher of its own, which lives until the next checkpoint.
type reReader struct {
	newFetcher func() (broker.Fetcher, error)
	fetcher    broker.Fetcher
}

const (
	// rereadPolls and rereadPoll bound the time that a record may take.
	rereadPolls = 100
	rereadPoll  = 100 * time.Millisecond
	// rereadWait is how long the input is held back if it takes longer.
	rereadWait = time.Second
)

// goneError says that a record cannot be read, now or ever.
type goneError struct {
	broker.TopicPartition
	offset int64
	reason string
}

func (e *goneError) Error() string {
	return fmt.Sprintf("the record of %s at offset %d cannot be read: %s", e.TopicPartition, e.offset, e.reason)
}

// errNoAnswer says that a record did not come in time.
var errNoAnswer = errors.New("the cluster does not answer")

// read returns a copy of a record. The error is a *goneError if the topic does not have it.
func (x *reReader) read(ctx context.Context, tp broker.TopicPartition, offset int64) (*broker.Record, error) {
	const gone = "it was removed from its topic since it was read: raise the retention of the topic, or choose Skip for such errors"
	if x.fetcher == nil {
		fetcher, err := x.newFetcher()
		if err != nil {
			return nil, err
		}
		x.fetcher = fetcher
	}
	x.fetcher.Start(tp, offset)
	defer x.fetcher.Stop(tp)
	for range rereadPolls {
		batch, err := x.fetcher.Poll(ctx, rereadPoll)
		switch {
		case ctx.Err() != nil:
			if batch != nil {
				batch.Release()
			}
			return nil, context.Cause(ctx)
		case errors.As(err, new(*broker.OffsetOutOfRangeError)), errors.As(err, new(*broker.TopicReplacedError)):
			return nil, &goneError{tp, offset, gone}
		case err != nil:
			return nil, err
		case batch == nil:
			continue
		}
		r, past := find(batch, offset)
		batch.Release()
		if r != nil {
			return r, nil
		}
		if past {
			return nil, &goneError{tp, offset, gone}
		}
	}
	return nil, errNoAnswer
}

// find returns a copy of a record of a batch, or whether the batch lies behind it.
func find(b *broker.Batch, offset int64) (r *broker.Record, past bool) {
	for i := range b.Records {
		if b.Records[i].Offset == offset {
			found := b.Records[i]
			found.Key, found.Value = bytes.Clone(found.Key), bytes.Clone(found.Value)
			found.Headers = slices.Clone(found.Headers)
			for j := range found.Headers {
				found.Headers[j].Value = bytes.Clone(found.Headers[j].Value)
			}
			return &found, false
		}
	}
	return nil, b.NextOffset > offset
}

// close closes the fetcher, if there is one.
func (x *reReader) close() error {
	if x.fetcher == nil {
		return nil
	}
	fetcher := x.fetcher
	x.fetcher = nil
	return fetcher.Close()
}
