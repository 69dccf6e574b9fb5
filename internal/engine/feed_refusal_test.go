package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/stream"
)

// measured are records of a source that are written to the topic of totals; those of bad have a time far ahead of the clock.
func measured(n int, bad ...int) source.Source[string, string] {
	return source.Func(func(_ context.Context, position []byte, emit source.Emit[string, string]) error {
		from := 0
		if position != nil {
			var err error
			if from, err = strconv.Atoi(string(position)); err != nil {
				return err
			}
		}
		for i := from; i < n; i++ {
			r := weir.Record[string, string]{Key: fmt.Sprint("key ", i%3), Value: strconv.Itoa(i), Millis: begin.UnixMilli()}
			for _, b := range bad {
				if i == b {
					r.Millis = begin.Add(48 * time.Hour).UnixMilli()
				}
			}
			if err := emit(r, strconv.AppendInt(nil, int64(i+1), 10)); err != nil {
				return err
			}
		}
		return nil
	})
}

// feeding is a cluster that refuses records of a source with times far ahead, and a process that reads orders beside it.
func feeding(t *testing.T, exactlyOnce bool, from source.Source[string, string]) *cluster {
	t.Helper()
	topology := stream.NewTopology()
	topology.AddSourceWith(source.Options{Name: "measured", Slots: 1, LookInterval: -1}, from, stream.NewTopic(totals.Name(), codec.String(), codec.String()))
	topology.From(orders).To(stream.NewTopic(windows.Name(), codec.String(), codec.JSON[order]()))
	c := newCluster(t, topology, 1)
	c.config.ExactlyOnce, c.config.CheckpointInterval = exactlyOnce, time.Hour
	c.config.MayRead = func() bool { return true }
	if err := c.broker.Configure(totals.Name(), "message.timestamp.after.max.ms", "60000"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		c.order("north", 1, begin.UnixMilli())
	}
	return c
}

func (c *cluster) valuesOf(topic string) (values []string) {
	for _, r := range c.broker.Read(broker.TopicPartition{Topic: topic}, 0) {
		values = append(values, string(r.Value))
	}
	return values
}

func TestARecordOfASourceThatTheClusterRefusesCanBeSkipped(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactlyOnce), func(t *testing.T) {
			c := feeding(t, exactlyOnce, measured(100, 0, 37, 38, 99))
			var failed []string
			c.config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
				failed = append(failed, err.Error())
				if refused, ok := errors.AsType[*weir.ProduceError](err); !ok || refused.Topic != totals.Name() {
					t.Errorf("of %T: %v", err.Err, err)
				}
				return weir.Skip
			}
			p := c.mustStart(memoryDisk{})
			p.mustRun()
			p.mustClose()
			if len(failed) != 4 {
				t.Fatalf("%d records have failed: %s", len(failed), strings.Join(failed, "\n"))
			}
			for i, want := range []string{"from the start of the split on", `behind position "`, `behind position "`, `behind position "`} {
				for _, want := range []string{`source "measured": split "all": record 1 `, want, "timestamp", "feed_refusal_test.go:"} {
					if !strings.Contains(failed[i], want) {
						t.Errorf("%q is not in %s", want, failed[i])
					}
				}
			}
			var want []string
			for i := range 100 {
				if i != 0 && i != 37 && i != 38 && i != 99 {
					want = append(want, strconv.Itoa(i))
				}
			}
			got := c.valuesOf(totals.Name())
			if !exactlyOnce {
				got = firstOfEach(got)
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			if n := len(c.valuesOf(windows.Name())); n != 20 && (exactlyOnce || n < 20) {
				t.Errorf("%d orders beside it are written, want 20", n)
			}
		})
	}
}

// firstOfEach leaves repetitions out.
func firstOfEach(values []string) (first []string) {
	seen := map[string]bool{}
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			first = append(first, v)
		}
	}
	return first
}

func TestARecordOfASourceThatTheClusterRefusesEndsTheRunOtherwise(t *testing.T) {
	c := feeding(t, true, measured(100, 37))
	p := c.mustStart(memoryDisk{})
	p.mustRun()
	err := p.close()
	failed, ok := errors.AsType[*weir.ProcessingError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(failed.Error(), `source "measured": split "all": record 1 behind position "37"`) {
		t.Errorf("got %v", failed)
	}
	if strings.Contains(err.Error(), "orders") {
		t.Errorf("an input record is blamed: %v", err)
	}
}

// A system that does not give a record again gets no other one left out in its place.
func TestOnlyTheRefusedRecordOfASourceIsLeftOut(t *testing.T) {
	runs := [][]string{{"0", "1", "bad"}, {"2", "3", "bad too"}, {"4", "5", "6"}}
	from := source.Func(func(_ context.Context, _ []byte, emit source.Emit[string, string]) error {
		var values []string
		if len(runs) > 0 {
			values, runs = runs[0], runs[1:]
		}
		for _, v := range values {
			r := weir.Record[string, string]{Key: "k", Value: v, Millis: begin.UnixMilli()}
			if strings.HasPrefix(v, "bad") {
				r.Millis = begin.Add(48 * time.Hour).UnixMilli()
			}
			if err := emit(r, []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
	c := feeding(t, true, from)
	c.config.CheckpointRecords = 20 + 3
	var failed []string
	c.config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
		failed = append(failed, err.Error())
		return weir.Skip
	}
	p := c.mustStart(memoryDisk{})
	p.mustRun()
	p.mustClose()
	if diff := gocmp.Diff([]string{"2", "3", "4", "5", "6"}, c.valuesOf(totals.Name())); diff != "" || len(failed) != 1 {
		t.Errorf("failed %q, written (-want +got):\n%s", failed, diff)
	}
}
