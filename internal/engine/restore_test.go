package engine_test

import (
	"encoding/json"
	"errors"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/engine"
)

// settle lets a process run, checkpoint and run again until all parts have seen everything.
func (c *cluster) settle(p *process) {
	c.t.Helper()
	for range 4 {
		p.mustRun()
		c.clock.Advance(interval)
		p.mustRun()
	}
}

// K-70: a checkpoint that was not committed leaves records in the changelog. Work that is done again may fall into other
// checkpoints, in which a window is opened and closed at once, so that nothing of it reaches the changelog: what the
// first one left must not come back when the state is rebuilt later.
func TestWhatAnUncommittedCheckpointLeftInTheChangelogDoesNotComeBack(t *testing.T) {
	for _, c := range []struct {
		name     string
		restarts int
	}{{"at once", 1}, {"after another restart", 2}} {
		t.Run(c.name, func(t *testing.T) {
			restarts := c.restarts
			c := newCluster(t, pipeline(), 1)
			c.broker.DeliverOnSend = true
			d := memoryDisk{}
			p := c.mustStart(d)
			c.order("north", 1, 1)
			c.settle(p)
			c.order("north", 2, 12) // closes [0,10), opens [10,20)
			// The offsets of the part that reads orders count, those of the other part do not.
			commits := 0
			c.onCall = func(op simbroker.Op) error {
				if op.Kind == simbroker.OpCommit && !op.After {
					if commits++; commits == 2 {
						return errCrash
					}
				}
				return nil
			}
			for range 3 {
				err := p.run()
				c.clock.Advance(interval)
				if err != nil {
					if !errors.Is(err, errCrash) {
						t.Fatal(err)
					}
					break
				}
			}
			if commits < 2 {
				t.Fatalf("%d commits, want a crash at the second", commits)
			}
			c.onCall = nil
			for range restarts - 1 {
				c.mustStart(d).abandon() // crashes before it has done anything that counts
			}
			c.order("north", 4, 22) // closes [10,20)
			p = c.mustStart(d)
			c.checkAnew(p, d)
		})
	}
}

// K-41.
//
// The records of a changelog that belong to committed work are read once: a process that finds its database starts with
// what that lacks.
func TestARestartReusesItsDatabase(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	d := memoryDisk{}
	p := c.mustStart(d)
	for i := range int64(50) {
		c.order("north", 1, i*10)
		c.settle(p)
	}
	p.abandon()
	p = c.mustStart(d)
	if n := p.status()[1].Restored; n != 0 {
		t.Errorf("restored %d changelog records after a crash that lost nothing", n)
	}
	c.checkState(p)

	// A crash between the commit and the database: the last checkpoint is read from the changelog.
	c.order("north", 1, 1000)
	commits := 0
	c.onCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpCommit && op.After {
			if commits++; commits == 2 {
				return errCrash
			}
		}
		return nil
	}
	for range 3 {
		c.clock.Advance(interval)
		if err := p.run(); err != nil {
			break
		}
	}
	c.onCall = nil
	p = c.mustStart(d)
	// A total, a closed window and an open one.
	if n := p.status()[1].Restored; n != 3 {
		t.Errorf("restored %d changelog records after one checkpoint was lost, want 3", n)
	}
	c.checkState(p)
	p.mustClose()
	d.lose()
	p = c.mustStart(d)
	if n := p.status()[1].Restored; n < 150 {
		t.Errorf("restored %d changelog records of a lost database, want all", n)
	}
	c.checkState(p)
	c.checkLogs(false)
}

// What a process has written to an internal topic before it died is not lost to one that begins with the latest input.
func TestInternalTopicsAreReadFromTheirBeginning(t *testing.T) {
	for _, reset := range []engine.OffsetReset{engine.ResetLatest, engine.ResetEarliest} {
		c := newCluster(t, pipeline(), 1)
		c.config.OffsetReset = reset
		c.order("input", 1, 1)
		value, err := json.Marshal(order{ID: 9, Shop: "north", Amount: 5})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.broker.Append(broker.TopicPartition{Topic: repartition}, broker.Record{Key: []byte("north"), Value: value, Millis: 1}); err != nil {
			t.Fatal(err)
		}
		c.settle(c.mustStart(memoryDisk{}))
		var shops []string
		for _, r := range c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0) {
			shops = append(shops, string(r.Key))
		}
		want := []string{"north"}
		if reset == engine.ResetEarliest {
			want = []string{"north", "input"}
		}
		if diff := gocmp.Diff(want, shops); diff != "" {
			t.Errorf("reset %v: shops in the output (-want +got):\n%s", reset, diff)
		}
	}
}
