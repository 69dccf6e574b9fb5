package engine_test

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/state"
)

// spyDisk notes commits of its databases in the same list as the calls to the cluster.
type spyDisk struct {
	memoryDisk
	note func(string)
}

func (d spyDisk) open(dir string) (state.Backend, error) {
	b, err := d.memoryDisk.open(dir)
	return spyBackend{b, d.note}, err
}

type spyBackend struct {
	state.Backend
	note func(string)
}

func (b spyBackend) NewBatch() state.Batch { return spyBatch{b.Backend.NewBatch(), b.note} }

type spyBatch struct {
	state.Batch
	note func(string)
}

func (b spyBatch) Commit(sync bool) error {
	b.note("database")
	return b.Batch.Commit(sync)
}

// K-11, K-12, EX-51.
func TestACheckpointFlushesThenCommitsThenWritesTheDatabase(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	var calls []string
	recording := false
	note := func(s string) {
		if recording {
			calls = append(calls, s)
		}
	}
	p := c.mustStart(spyDisk{memoryDisk{}, note})
	c.order("north", 1, 1)
	c.settle(p)
	c.order("north", 2, 2)
	p.mustRun() // checkpoints the part that reads orders
	recording = true
	c.onCall = func(op simbroker.Op) error {
		switch {
		case !op.After || op.Kind == simbroker.OpFetch || op.Kind == simbroker.OpPoll:
		case op.TopicPartition.Topic != "":
			note(string(op.Kind) + " " + op.TopicPartition.Topic)
		default:
			note(string(op.Kind))
		}
		return nil
	}
	c.clock.Advance(interval)
	p.mustRun()
	// The output was sent before, when there was nothing else to do; it is appended together with the rest.
	want := []string{
		"send " + totalChangelog, "send " + windowChangelog,
		"produce " + totals.Name(), "produce " + totalChangelog, "produce " + windowChangelog,
		"flush", "commit", "database",
	}
	got := slices.Clone(calls)
	for _, s := range [][]string{want, got} {
		if len(s) >= 5 { // the order of topics among each other does not matter
			slices.Sort(s[:2])
			slices.Sort(s[2:5])
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	calls = nil
	c.clock.Advance(interval)
	p.mustRun()
	if len(calls) > 0 {
		t.Errorf("a checkpoint without changes made the calls %v", calls)
	}
}

// commits counts the offsets that are committed, one after the other.
func (c *cluster) watchCommits(tp broker.TopicPartition) *[]int64 {
	var offsets []int64
	c.onCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpCommit && op.After {
			offsets = append(offsets, c.broker.Committed(groupName)[tp])
		}
		return nil
	}
	return &offsets
}

var ordersPartition = broker.TopicPartition{Topic: "orders", Partition: 0}

func TestACheckpointComesAfterExactlySoManyRecords(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	c.broker.MaxBatchRecords = 7
	c.config.CheckpointRecords = 10
	p := c.mustStart(memoryDisk{})
	offsets := c.watchCommits(ordersPartition)
	for i := range int64(35) {
		c.order("north", 1, i)
	}
	p.mustRun()
	// Both parts count: what the first wrote is read by the second, in turn with it.
	var counted []int64
	for tp := range c.broker.Committed(groupName) {
		counted = append(counted, c.broker.Committed(groupName)[tp])
	}
	var sum int64
	for _, n := range counted {
		sum += n
	}
	if sum%10 != 0 || sum == 0 || len(*offsets) != int(sum/10) {
		t.Errorf("%d records are committed, in %d checkpoints of 10", sum, len(*offsets))
	}
}

func TestACheckpointComesWhenTheIntervalIsOver(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	p := c.mustStart(memoryDisk{})
	offsets := c.watchCommits(ordersPartition)
	c.order("north", 1, 1)
	p.mustRun()
	c.clock.Advance(interval - time.Millisecond)
	p.mustRun()
	if len(*offsets) != 0 {
		t.Errorf("%d checkpoints before the interval was over", len(*offsets))
	}
	c.clock.Advance(time.Millisecond)
	p.mustRun()
	if diff := gocmp.Diff([]int64{1}, *offsets); diff != "" {
		t.Errorf("committed offsets (-want +got):\n%s", diff)
	}
}

func TestACheckpointComesWhenEnoughStateHasChanged(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	c.broker.DeliverOnSend = true
	c.broker.MaxBatchRecords = 1
	c.config.CheckpointBytes = 2000
	p := c.mustStart(memoryDisk{})
	offsets := c.watchCommits(broker.TopicPartition{Topic: repartition, Partition: 0})
	for i := range int64(100) {
		c.order("shop "+string(rune('a'+i%26)), 1, i)
	}
	p.mustRun()
	if n := len(*offsets); n < 5 {
		t.Errorf("%d checkpoints while much more than 2000 bytes changed", n)
	}
}

// A commit that is refused because the group has given the partitions away is no error: the tasks go, and come back with
// the next assignment.
func TestAFencedCommitDropsTheTasks(t *testing.T) {
	for _, where := range []string{"in a step", "while the process stops"} {
		t.Run(where, func(t *testing.T) {
			c := newCluster(t, pipeline(), 2)
			a, err := c.start(memoryDisk{}, "")
			if err != nil {
				t.Fatal(err)
			}
			a.mustRun()
			c.order("north", 1, 1)
			c.order("south", 2, 1)
			c.order("west", 4, 1)
			a.mustRun()
			c.clock.Advance(session + time.Second) // a was silent for too long
			b, err := c.start(memoryDisk{}, "")
			if err != nil {
				t.Fatal(err)
			}
			b.mustRun()
			if where == "while the process stops" {
				a.mustClose()
			} else {
				// A worker steps before the membership hears of it.
				err = a.do(func() error {
					_, err := a.workers[0].Step(t.Context(), 0)
					return err
				})
				if err != nil {
					t.Fatalf("step: %v", err)
				}
				if n := len(a.status()); n != 0 {
					t.Errorf("%d tasks are left", n)
				}
			}
			ps := []*process{b}
			if where == "in a step" {
				ps = append(ps, a)
			}
			for range 6 {
				for _, p := range ps {
					p.mustRun()
				}
				c.clock.Advance(interval)
			}
			for _, p := range ps {
				p.mustRun()
			}
			c.checkLogs(true)
			c.checkState(ps...)
			if where == "in a step" && (len(a.status()) != 2 || len(b.status()) != 2) {
				t.Errorf("tasks: %d and %d, want two each", len(a.status()), len(b.status()))
			}
		})
	}
}
