package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
)

// A log that was truncated may have grown past the committed offset before anybody looks: only the leader epoch of the commit tells that the
// records before the offset are other ones now.
func TestALogThatHasGrownAfterATruncationIsLostInput(t *testing.T) {
	in := broker.TopicPartition{Topic: orders.Name()}
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running %v", running), func(t *testing.T) {
			bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
				grown := func(policy engine.LostInput) (*cluster, *process, memoryDisk, error) {
					d := memoryDisk{}
					c, p := ordersTaken(t, customers(), exactlyOnce, d)
					c.config.LostInput = policy
					p.mustClose()
					if running {
						p = c.mustStart(d)
						c.settle(p)
					}
					err := c.broker.Truncate(in, 15)
					for range 10 { // offsets 15 to 24; 20 is committed
						c.order("north", 1, 30)
					}
					if err == nil && !running {
						p, err = c.tryStart(d)
					}
					for range 5 {
						if err == nil {
							err = p.run()
						}
					}
					return c, p, d, err
				}
				_, _, _, err := grown(engine.LostFail)
				if !errors.Is(err, weir.ErrLostInput) {
					t.Fatalf("error %v, want %v", err, weir.ErrLostInput)
				}
				for _, part := range []string{"orders[0]: offset 20", "from offset 15 on", "0 to 25", "leader epoch 0"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error does not say %q: %v", part, err)
					}
				}

				c, p, d, err := grown(engine.LostContinue)
				if err != nil {
					t.Fatal(err)
				}
				c.settle(p)
				if diff := gocmp.Diff(each(6), c.lastTotals()); diff != "" {
					t.Errorf("totals (-want +got):\n%s", diff)
				}
				p.mustClose()
				d.lose()
				c.config.LostInput = engine.LostFail
				p = c.mustStart(d)
				for range 5 {
					c.order("north", 1, 40)
				}
				c.settle(p)
				if diff := gocmp.Diff(each(7), c.lastTotals()); diff != "" {
					t.Errorf("totals after another start (-want +got):\n%s", diff)
				}

				c, p, _, err = grown(engine.LostReset)
				if err != nil {
					t.Fatal(err)
				}
				c.expectReset(t, p)
			})
		})
	}
}

// A leader that was elected with all records is no reason to worry.
func TestANewLeaderWithAllRecordsLosesNothing(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		for _, restart := range []bool{false, true} {
			d := memoryDisk{}
			c, p := ordersTaken(t, customers(), exactlyOnce, d)
			for round := range 4 {
				if err := c.broker.Elect(broker.TopicPartition{Topic: orders.Name()}); err != nil {
					t.Fatal(err)
				}
				for range 5 {
					c.order("north", 1, 30)
				}
				c.settle(p)
				if restart || round == 1 {
					p.mustClose()
					p = c.mustStart(d)
				}
			}
			if diff := gocmp.Diff(each(8), c.lastTotals()); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
		}
	})
}

// Only the epochs of commits by Weir count: there are clients that commit epoch 0 with every offset, and earlier versions committed none.
func TestEpochsOfOtherClientsDoNotCount(t *testing.T) {
	note := broker.CommitNote{FirstPartitions: 1}.Encode()
	for name, detail := range map[string]broker.CommitDetail{
		"another client": {LeaderEpoch: 0}, "an earlier version": {LeaderEpoch: broker.NoLeaderEpoch, Metadata: note}, "another client with a text": {Metadata: "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
				c := newCluster(t, copied(), 1)
				c.config.ExactlyOnce = exactlyOnce
				c.write(a0, 1)
				if err := c.broker.Elect(a0); err != nil {
					t.Fatal(err)
				}
				c.write(a0, 2)
				c.commitBy(map[broker.TopicPartition]int64{a0: 2}, broker.CommitDetails{a0: detail})
				c.write(a0, 3)
				c.settle(c.mustStart(memoryDisk{}))
				if got := c.values(); len(got) != 1 {
					t.Errorf("output %q, want one record", got)
				}
			})
		})
	}
}
