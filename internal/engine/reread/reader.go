// Package reread has the bytes of input records that have failed.
package reread

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

// Batch are the records that a task processes at the moment, so that the bytes of one that fails are at hand.
type Batch struct {
	Topic   string
	Records []broker.Record
}

// Before returns how many of the records were processed when one of them, or one that was held in front of them, has failed.
func (b *Batch) Before(origin weir.Origin) int {
	i, found := b.Find(origin)
	if found {
		return i + 1
	}
	return len(b.Records)
}

// Find returns the index of a record among them.
func (b *Batch) Find(origin weir.Origin) (i int, found bool) {
	if b.Topic != origin.Topic {
		return 0, false
	}
	return slices.BinarySearchFunc(b.Records, origin.Offset, func(r broker.Record, offset int64) int { return cmp.Compare(r.Offset, offset) })
}

// Reader reads single records again, through a fetcher of its own, which lives until Close. Only the goroutine of the worker calls its methods.
type Reader struct {
	NewFetcher func() (broker.Fetcher, error)
	fetcher    broker.Fetcher
}

const (
	// polls and poll bound the time that a record may take.
	polls = 100
	poll  = 100 * time.Millisecond
	// Wait is how long the input is held back if it takes longer.
	Wait = time.Second
)

// GoneError says that a record cannot be read, now or ever.
type GoneError struct {
	broker.TopicPartition
	Offset int64
	Reason string
}

// Error names the record and the reason.
func (e *GoneError) Error() string {
	return fmt.Sprintf("the record of %s at offset %d cannot be read: %s", e.TopicPartition, e.Offset, e.Reason)
}

// errNoAnswer says that a record did not come in time.
var errNoAnswer = errors.New("the cluster does not answer")

// Read returns a copy of a record. The error is a *GoneError if the topic does not have it.
func (x *Reader) Read(ctx context.Context, tp broker.TopicPartition, offset int64) (*broker.Record, error) {
	const gone = "it was removed from its topic since it was read: raise the retention of the topic, or choose Skip for such errors"
	if x.fetcher == nil {
		fetcher, err := x.NewFetcher()
		if err != nil {
			return nil, err
		}
		x.fetcher = fetcher
	}
	x.fetcher.Start(tp, offset)
	defer x.fetcher.Stop(tp)
	for range polls {
		batch, err := x.fetcher.Poll(ctx, poll)
		switch {
		case ctx.Err() != nil:
			if batch != nil {
				batch.Release()
			}
			return nil, context.Cause(ctx)
		case errors.As(err, new(*broker.OffsetOutOfRangeError)), errors.As(err, new(*broker.TopicReplacedError)):
			return nil, &GoneError{tp, offset, gone}
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
			return nil, &GoneError{tp, offset, gone}
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

// Close closes the fetcher, if there is one.
func (x *Reader) Close() error {
	if x.fetcher == nil {
		return nil
	}
	fetcher := x.fetcher
	x.fetcher = nil
	return fetcher.Close()
}
