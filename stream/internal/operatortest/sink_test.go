package operatortest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// outside is a sink that does as it is told.
type outside struct {
	connects, closes, writers int
	connect, add, flush       error
	lines                     []string
}

func (o *outside) Connect(context.Context) error { o.connects++; return o.connect }
func (o *outside) Close(context.Context) error   { o.closes++; return nil }
func (o *outside) Writer(_ context.Context, task sink.Task) (sink.Writer[string, string], error) {
	o.writers++
	batch := sink.NewBatchWriter(func(_ context.Context, records []weir.Record[string, string]) error {
		for _, r := range records {
			o.lines = append(o.lines, fmt.Sprintf("%s/%d %s=%s @%d null %v %v", task.Sink, task.Partition, r.Key, r.Value, r.Millis, r.KeyNull, r.ValueNull))
		}
		return nil
	}, sink.BatchOptions{HoldRecords: 100})
	return outsideWriter{batch, o}, nil
}

type outsideWriter struct {
	sink.Writer[string, string]
	outside *outside
}

func (w outsideWriter) Add(ctx context.Context, r *textRecord) error {
	if w.outside.add != nil && r.Value == "bad" {
		return w.outside.add
	}
	return w.Writer.Add(ctx, r)
}

func (w outsideWriter) Flush(ctx context.Context, c sink.Checkpoint) error {
	if w.outside.flush != nil {
		return w.outside.flush
	}
	return w.Writer.Flush(ctx, c)
}

func (o *outside) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, o.lines); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	o.lines = nil
}

// D-25, D-27.
func TestASinkIsFlushedWithTheCheckpoint(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		o := &outside{}
		topology := stream.NewTopology()
		topology.From(in).Sink("table", o)
		topology.From(nums).Map(func(n int) string { return fmt.Sprint(n) }).Sink("numbers", o)
		d := testkit.New(t, topology, testkit.Config{ExactlyOnce: exactlyOnce})
		d.Input(in).SendRecords(record{Key: "a", Value: "1", Time: at(1)}, record{KeyNull: true, ValueNull: true, Time: at(2)})
		if !exactlyOnce {
			o.expect(t) // nothing before the checkpoint
		}
		d.Checkpoint()
		o.expect(t, "table/0 a=1 @1 null false false", "table/0 = @2 null true true")
		d.Checkpoint()
		o.expect(t)
		d.Input(nums).Send("a", 7, at(3))
		d.Restart()
		o.expect(t, "numbers/0 a=7 @3 null false false")
		if o.connects != 2 || o.closes != 1 || o.writers != 4 {
			t.Errorf("connected %d times, closed %d times, %d writers", o.connects, o.closes, o.writers)
		}
	}
}

func TestWhatWasNotCheckpointedIsWrittenAgainAfterACrash(t *testing.T) {
	o := &outside{}
	topology := stream.NewTopology()
	topology.From(in).Sink("table", o)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(in).Send("a", "1", at(1))
	d.Crash(testkit.KeepState)
	d.Checkpoint()
	o.expect(t, "table/0 a=1 @1 null false false")
}

func TestASinkThatHoldsMuchAsksForACheckpoint(t *testing.T) {
	o := &outside{}
	topology := stream.NewTopology()
	topology.From(in).Sink("table", o)
	d := testkit.New(t, topology, testkit.Config{CheckpointInterval: time.Hour})
	var records []record
	for i := range 100 {
		records = append(records, record{Key: "a", Value: fmt.Sprint(i), Time: at(int64(i))})
	}
	d.Input(in).SendRecords(records...)
	if len(o.lines) != 100 {
		t.Errorf("%d records were written, of 100", len(o.lines))
	}
}

func TestASinkThatTakesNoMoreHoldsTheInputBackAndLosesNothing(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		o := &outside{}
		topology := stream.NewTopology()
		var seen []string
		topology.From(in).Peek(func(v string) { seen = append(seen, v) }).Sink("table", o)
		d := testkit.New(t, topology, testkit.Config{ExactlyOnce: exactlyOnce})
		o.flush = fmt.Errorf("table: %w", &weir.RetryLaterError{RetryAfter: 10 * time.Second, Err: errors.New("too many requests")})
		d.Input(in).Send("a", "1", at(1))
		d.Checkpoint()
		d.Input(in).Send("a", "2", at(2))
		d.Advance(9 * time.Second)
		o.expect(t)
		if diff := cmp.Diff([]string{"1"}, seen); diff != "" {
			t.Errorf("processed while held back (-want +got):\n%s", diff)
		}
		o.flush = nil
		d.Advance(time.Second)
		d.Advance(5 * time.Second)
		o.expect(t, "table/0 a=1 @1 null false false", "table/0 a=2 @2 null false false")
		if diff := cmp.Diff([]string{"1", "2"}, seen); diff != "" {
			t.Errorf("processed in all (-want +got):\n%s", diff)
		}
	}
}

func TestAStopDoesNotWaitForASinkThatTakesNoMore(t *testing.T) {
	o := &outside{}
	topology := stream.NewTopology()
	topology.From(in).Sink("table", o)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(in).Send("a", "1", at(1))
	o.flush = &weir.RetryLaterError{}
	d.Restart()
	o.flush = nil
	d.Checkpoint()
	o.expect(t, "table/0 a=1 @1 null false false")
}

func TestARecordThatASinkDoesNotAcceptGoesToTheErrorPolicy(t *testing.T) {
	o := &outside{add: errors.New("no such column")}
	topology := stream.NewTopology()
	topology.From(in).Sink("table", o)
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	d.Input(in).SendRecords(record{Key: "a", Value: "bad", Time: at(1)}, record{Key: "a", Value: "good", Time: at(2)})
	d.Checkpoint()
	o.expect(t, "table/0 a=good @2 null false false")
	if got := d.Tasks()[0].Skipped; got != 1 {
		t.Errorf("%d records skipped", got)
	}

	d = testkit.New(t, topology, testkit.Config{})
	err := d.Input(in).TrySendRecords(record{Key: "a", Value: "bad", Time: at(1)})
	if err == nil || !strings.Contains(err.Error(), `in[0] at offset 0: external table (`) || !errors.Is(err, o.add) {
		t.Errorf("got %v", err)
	}
}

func TestASinkThatFailsEndsTheRunWithItsName(t *testing.T) {
	o := &outside{}
	topology := stream.NewTopology()
	topology.From(in).Sink("table", o)
	d := testkit.New(t, topology, testkit.Config{CheckpointRecords: 1}) // its first checkpoint holds no record
	o.flush = errors.New("disk full")
	err := d.Input(in).TrySendRecords(record{Key: "a", Value: "1", Time: at(1)})
	if err == nil || !strings.Contains(err.Error(), `sink "table" (operatortest/sink_test.go:`) || !errors.Is(err, o.flush) {
		t.Errorf("got %v", err)
	}
	o.flush = nil
	d.Crash(testkit.KeepState)
	o.expect(t, "table/0 a=1 @1 null false false")
}

func TestAMissingSinkOrNameIsFound(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(in)
	s.Sink("table", nil)
	s.Sink("", &outside{})
	err := topology.Validate()
	for _, want := range []string{"external table: the sink is nil", "external-2: the name of the sink is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
