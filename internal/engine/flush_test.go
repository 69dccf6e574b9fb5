package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/stream"
)

// outside is a sink in the hands of a test.
type outside struct {
	flush   func(sink.Checkpoint) error
	prepare func(sink.Checkpoint, []int) ([]byte, error)
	commit  func(ctx context.Context, token string) error
}

func (*outside) Connect(context.Context) error { return nil }
func (*outside) Close(context.Context) error   { return nil }
func (o *outside) Writer(context.Context, sink.Task) (sink.Writer[string, order], error) {
	return &outsideWriter{to: o}, nil
}

// outsidePhases is outside in two phases.
type outsidePhases struct{ outside }

func (o *outsidePhases) TwoPhaseWriter(context.Context, sink.Task) (sink.TwoPhaseWriter[string, order], error) {
	return &outsideWriter{to: &o.outside}, nil
}

type outsideWriter struct {
	to  *outside
	ids []int
}

func (w *outsideWriter) Add(_ context.Context, r *weir.Record[string, order]) error {
	w.ids = append(w.ids, r.Value.ID)
	return nil
}
func (w *outsideWriter) Full() bool                                       { return false }
func (w *outsideWriter) Discard()                                         { w.ids = nil }
func (w *outsideWriter) Close() error                                     { return nil }
func (w *outsideWriter) Flush(_ context.Context, c sink.Checkpoint) error { return w.to.flush(c) }
func (w *outsideWriter) Recover(context.Context, string, [][]byte) error  { return nil }
func (w *outsideWriter) Commit(ctx context.Context, token []byte) error {
	return w.to.commit(ctx, string(token))
}

func (w *outsideWriter) Prepare(_ context.Context, c sink.Checkpoint) ([]byte, error) {
	ids := w.ids
	if w.ids = nil; len(ids) == 0 {
		return nil, nil
	}
	return w.to.prepare(c, ids)
}

func sinkPipeline(to sink.Sink[string, order]) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).Sink("outside", to)
	return t
}

func TestTheSinksOfAllTasksAreFlushedAtOnce(t *testing.T) {
	const tasks = 32
	var began sync.WaitGroup
	began.Add(tasks)
	to := &outside{flush: func(sink.Checkpoint) error {
		began.Done()
		began.Wait() // which ends only if none waits for another one to end
		return nil
	}}
	c := newCluster(t, sinkPipeline(to), tasks)
	p := c.mustStart(memoryDisk{})
	p.mustRun()
	for n := range int32(tasks) {
		if err := c.broker.Append(broker.TopicPartition{Topic: orders.Name(), Partition: n}, broker.Record{Key: []byte("k"), Value: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	p.mustRun()
	if err := p.workers[0].Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.mustClose()
}

// The time is that of a bubble: 32 flushes of 200 ms one after the other would take 6.4 s.
func TestSinksOf200msIn32TasksStopAWorkerFor300msAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tasks, flush, most = 32, 200 * time.Millisecond, 300 * time.Millisecond
		flushes := make(chan struct{}, 2*tasks)
		slow := time.Duration(0)
		c := newCluster(t, sinkPipeline(&outside{flush: func(sink.Checkpoint) error {
			time.Sleep(slow)
			flushes <- struct{}{}
			return nil
		}}), tasks)
		p := c.mustStart(memoryDisk{})
		p.mustRun()
		for n := range int32(tasks) {
			if err := c.broker.Append(broker.TopicPartition{Topic: orders.Name(), Partition: n}, broker.Record{Key: []byte("k"), Value: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
		p.mustRun()
		before := len(flushes)
		slow = flush
		began := time.Now()
		if err := p.workers[0].Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < flush || took > most || len(flushes)-before != tasks {
			t.Errorf("a checkpoint with %d flushes of %v has stopped the worker for %v, and %v is the limit", len(flushes)-before, flush, took, most)
		}
		slow = 0
		p.mustClose()
	})
}

func TestRefusedRecordsGoToTheErrorPolicyOneByOne(t *testing.T) {
	poison := errors.New("too long")
	for _, skip := range []bool{true, false} {
		flushes := 0
		to := &outside{flush: func(c sink.Checkpoint) error {
			if flushes++; flushes > 1 {
				return nil
			}
			return fmt.Errorf("insert: %w", sink.RecordErrors{
				{Index: 0, Origin: weir.Origin{Topic: "orders", Offset: 3}, Err: poison},
				{Index: 2, Origin: weir.Origin{Topic: "orders", Offset: 5}, Err: poison},
			})
		}}
		c := newCluster(t, sinkPipeline(to), 1)
		var offsets []int64
		c.config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
			if !errors.Is(err, poison) || !strings.Contains(err.Node, "outside") || !strings.Contains(err.Site, "flush_test.go") {
				t.Errorf("the policy is asked about %v", err)
			}
			if offsets = append(offsets, err.Offset); skip {
				return weir.Skip
			}
			return weir.Fail
		}
		p := c.mustStart(memoryDisk{})
		p.mustRun()
		flushes = 0
		for i := range 6 {
			c.order("a", i, int64(i))
		}
		p.mustRun()
		err := p.workers[0].Checkpoint(t.Context())
		if skip {
			p.mustRun() // which publishes the status
		}
		if skip && (err != nil || flushes != 2 || !slices.Equal(offsets, []int64{3, 5}) || p.status()[0].Skipped != 2) {
			t.Errorf("the policy skips: %v, %d flushes, asked about %v, %+v", err, flushes, offsets, p.status()[0])
		}
		if !skip && (!errors.Is(err, poison) || flushes != 1 || len(offsets) != 1) {
			t.Errorf("the policy fails: %v, %d flushes, asked about %v", err, flushes, offsets)
		}
		p.abandon()
	}
}

func TestACommitRunsBesideProcessingAndBeforeTheNextCheckpoint(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		begun, release := make(chan string, 10), make(chan struct{})
		prepared := 0
		to := &outsidePhases{}
		to.prepare = func(_ sink.Checkpoint, ids []int) ([]byte, error) {
			prepared++
			return fmt.Append(nil, ids), nil
		}
		to.commit = func(ctx context.Context, token string) error {
			begun <- token
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		c := newCluster(t, sinkPipeline(to), 1)
		c.config.ExactlyOnce, c.config.RevokeTimeout = exactlyOnce, time.Minute
		d := memoryDisk{}
		p := c.mustStart(d)
		p.mustRun()
		c.order("a", 1, 1)
		p.mustRun()
		w := p.workers[0]
		if err := w.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := <-begun
		c.order("a", 2, 2)
		p.mustRun()
		if n := p.status()[0].Processed; n != 2 {
			t.Errorf("%d records are processed during the commit, of 2", n)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Checkpoint(ended); !errors.Is(err, context.Canceled) || prepared != 1 {
			t.Errorf("a checkpoint during the commit: %v, %d prepared", err, prepared)
		}
		// The task is closed while it commits: the goroutine ends, and the next owner commits again.
		p.abandon()
		p = c.mustStart(d)
		p.mustRun()
		if again := <-begun; again != first {
			t.Errorf("the next owner commits %q and not %q", again, first)
		}
		close(release)
		if err := p.workers[0].Checkpoint(t.Context()); err != nil {
			t.Error(err)
		}
		p.mustClose()
		if last := <-begun; last == first || !p.workers[0].Visible() {
			t.Errorf("the last commit was that of %q", last)
		}
	}
}
