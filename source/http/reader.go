package http

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

const (
	// batchRecords is how many records a batch has before no further request goes into it.
	batchRecords = 1000
	// pollWait is how long Read waits for a request before it returns without any, so that Acknowledge can be called.
	pollWait = 200 * time.Millisecond
)

// request is a request that waits for the commit of its records.
type request[K, V any] struct {
	records []weir.Record[K, V]
	bytes   int64
	number  uint64     // in the order of its reader, once it is read
	answer  chan error // gets one value: nil after the commit
}

var errGivenUp = errors.New("this process does not read the source any more")

// reader hands the requests of a split on.
type reader[K, V any] struct {
	source *Source[K, V]
	log    *slog.Logger
	// epoch names the reader in positions, so that one of another reader acknowledges nothing.
	epoch string
	came  chan struct{} // holds a signal when a request has come

	// The lock of the source guards them. queue are the requests that were not read, open those that were and are not committed, in order.
	queue, open []*request[K, V]
	number      uint64 // of the request that was read last
}

// Read implements [source.Reader].
func (r *reader[K, V]) Read(ctx context.Context, into *source.Batch[K, V]) error {
	timer := time.NewTimer(pollWait)
	defer timer.Stop()
	for {
		if taken, err := r.take(into); taken || err != nil {
			return err
		}
		select {
		case <-r.came:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take puts the requests that are there into a batch, as many as have room. A batch has at least one.
func (r *reader[K, V]) take(into *source.Batch[K, V]) (taken bool, err error) {
	s := r.source
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(r.queue) > 0 && len(into.Records) < batchRecords {
		q := r.queue[0]
		r.queue[0] = nil
		r.queue = r.queue[1:]
		r.number++
		q.number = r.number
		r.open = append(r.open, q)
		into.Records = append(into.Records, q.records...)
		into.Bytes += q.bytes
		q.records = nil
		taken = true
	}
	if !taken {
		return false, s.failed
	}
	into.Position = strconv.AppendUint(append([]byte(r.epoch), ' '), r.number, 10)
	into.Behind = int64(len(r.queue))
	return true, nil
}

// Acknowledge implements [source.Reader]: it answers the requests up to a position.
func (r *reader[K, V]) Acknowledge(_ context.Context, position []byte) error {
	epoch, digits, _ := strings.Cut(string(position), " ")
	number, err := strconv.ParseUint(digits, 10, 64)
	if epoch != r.epoch || err != nil {
		return nil // of a former reader: its requests have their answer
	}
	r.source.mu.Lock()
	n := 0
	for n < len(r.open) && r.open[n].number <= number {
		n++
	}
	committed := r.open[:n:n]
	r.open = r.open[n:]
	r.source.mu.Unlock()
	for _, q := range committed {
		q.answer <- nil
	}
	return nil
}

// Close implements [source.Reader]. Requests that wait are answered by 503, and have to be sent again.
func (r *reader[K, V]) Close() error {
	for _, q := range r.source.leave(r) {
		q.answer <- errGivenUp
	}
	return nil
}
