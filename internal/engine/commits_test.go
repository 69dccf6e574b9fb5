package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/stream"
)

// copied copies a topic, in tasks without state.
func copied() *stream.Topology {
	t := stream.NewTopology()
	t.From(topicA).To(topicOut)
	return t
}

// values returns the sorted values of the output.
func (c *cluster) values() []string {
	c.t.Helper()
	values := []string{}
	for n := range c.partitions[topicOut.Name()] {
		for _, r := range c.broker.Read(broker.TopicPartition{Topic: topicOut.Name(), Partition: n}, 0) {
			values = append(values, string(r.Value))
		}
	}
	slices.Sort(values)
	return values
}

func (c *cluster) expectValues(want ...string) {
	c.t.Helper()
	if diff := gocmp.Diff(want, c.values()); diff != "" {
		c.t.Errorf("output (-want +got):\n%s", diff)
	}
}

// commitBy commits offsets by another member of the group, which leaves it afterwards.
func (c *cluster) commitBy(offsets map[broker.TopicPartition]int64, details broker.CommitDetails) {
	c.t.Helper()
	g, err := c.broker.NewGroup(broker.GroupConfig{Group: groupName, Topics: [][]string{{topicA.Name()}}})
	if err != nil {
		c.t.Fatal(err)
	}
	event, err := g.Poll(c.t.Context(), time.Minute)
	if err != nil {
		c.t.Fatal(err)
	}
	event.Done()
	if err := errors.Join(g.Commit(c.t.Context(), offsets, details), g.Leave(c.t.Context())); err != nil {
		c.t.Fatal(err)
	}
}

// A partition that is added to a topic that the group knows is read from its beginning, also if new groups begin at the end: its records
// came later than the group did.
func TestAnAddedPartitionLosesNoRecordsToOffsetResetLatest(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		for _, restart := range []bool{false, true} {
			c := newCluster(t, copied(), 2)
			c.config.ExactlyOnce, c.config.OffsetReset, c.config.RevokeTimeout = exactlyOnce, engine.ResetLatest, time.Minute
			a1, a2 := broker.TopicPartition{Topic: topicA.Name(), Partition: 1}, broker.TopicPartition{Topic: topicA.Name(), Partition: 2}
			c.write(a0, 1)
			c.write(a1, 2)
			p := c.mustStart(memoryDisk{})
			c.settle(p)
			c.write(a0, 3)
			c.settle(p)
			if restart {
				p.mustClose()
			}
			if err := c.broker.AddPartitions(topicA.Name(), 3); err != nil {
				t.Fatal(err)
			}
			c.write(a2, 4)
			if restart {
				p = c.mustStart(memoryDisk{})
			}
			c.settle(p)
			c.write(a1, 5)
			c.settle(p)
			c.expectValues("A3", "A4", "A5")
		}
	})
}

// A partition of the time when the group began is no added one, although others have committed offsets already. Neither is one of a
// group that other programs have committed offsets for.
func TestAPartitionThatStartsLaterThanOthersIsNoAddedOne(t *testing.T) {
	for _, metadata := range []string{broker.CommitNote{FirstPartitions: 2}.Encode(), "", "AQAAAYWK", `{"first_partitions":1}`, "{"} {
		bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
			c := newCluster(t, copied(), 2)
			c.config.ExactlyOnce, c.config.OffsetReset = exactlyOnce, engine.ResetLatest
			a1 := broker.TopicPartition{Topic: topicA.Name(), Partition: 1}
			c.write(a0, 1)
			c.write(a1, 2)
			c.commitBy(map[broker.TopicPartition]int64{a0: 1}, broker.CommitDetails{a0: {LeaderEpoch: broker.NoLeaderEpoch, Metadata: metadata}})
			p := c.mustStart(memoryDisk{})
			c.settle(p)
			c.write(a0, 3)
			c.write(a1, 4)
			c.settle(p)
			c.expectValues("A3", "A4")
		})
	}
}

// A part without state knows by the metadata of its commits that a topic was made anew, at its start and while it runs.
func TestAPartWithoutStateNoticesATopicThatWasMadeAnew(t *testing.T) {
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running %v", running), func(t *testing.T) {
			bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
				anew := func(policy engine.LostInput) (*cluster, *process, error) {
					c := newCluster(t, copied(), 1)
					c.config.ExactlyOnce, c.config.LostInput = exactlyOnce, policy
					p := c.mustStart(memoryDisk{})
					c.write(a0, 1, 2)
					c.settle(p)
					if !running {
						p.mustClose()
					}
					c.broker.DeleteTopic(topicA.Name())
					if err := c.broker.CreateTopic(broker.TopicSpec{Name: topicA.Name(), Partitions: 1, Replication: -1}); err != nil {
						t.Fatal(err)
					}
					c.write(a0, 3, 4, 5)
					if running {
						return c, p, p.run()
					}
					p, err := c.tryStart(memoryDisk{})
					return c, p, err
				}
				c, _, err := anew(engine.LostFail)
				for range 2 {
					if !errors.Is(err, weir.ErrLostInput) || !strings.Contains(err.Error(), "made anew") || !strings.Contains(err.Error(), "offset 2") && !running {
						t.Fatalf("error %v does not say what is lost", err)
					}
					_, err = c.tryStart(memoryDisk{})
				}
				c, p, err := anew(engine.LostContinue)
				if err != nil {
					t.Fatal(err)
				}
				c.settle(p)
				p.mustClose()
				c.config.LostInput = engine.LostFail
				p = c.mustStart(memoryDisk{})
				c.write(a0, 6)
				c.settle(p)
				c.expectValues("A1", "A2", "A3", "A4", "A5", "A6")

				c, p, err = anew(engine.LostReset)
				if err != nil {
					t.Fatal(err)
				}
				c.settle(p)
				c.write(a0, 6)
				c.settle(p)
				c.expectValues("A1", "A2", "A6")
			})
		})
	}
}

// Metadata of other programs, and offsets without any, are those of the topic as it is.
func TestForeignMetadataOfCommitsIsTolerated(t *testing.T) {
	for _, metadata := range []string{"", "AQAAAYWK", `{"topic_id":"x"}`, "\xff", strings.Repeat("[", 1000)} {
		bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
			c := newCluster(t, copied(), 1)
			c.config.ExactlyOnce = exactlyOnce
			c.write(a0, 1, 2)
			c.commitBy(map[broker.TopicPartition]int64{a0: 1}, broker.CommitDetails{a0: {LeaderEpoch: broker.NoLeaderEpoch, Metadata: metadata}})
			c.settle(c.mustStart(memoryDisk{}))
			c.expectValues("A2")
		})
	}
}

// A log may lose its last records, by the unclean election of a leader. Everything that is left was processed then: it goes on with
// what comes next, and the state stays, also in later restores, whatever offsets the log comes to.
func TestAfterATruncationNothingCountsTwiceAndStateStays(t *testing.T) {
	for _, running := range []bool{false, true} {
		for _, kept := range []bool{true, false} {
			t.Run(fmt.Sprintf("running %v, database kept %v", running, kept), func(t *testing.T) {
				bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
					truncated := func(policy engine.LostInput) (*cluster, *process, memoryDisk, error) {
						d := memoryDisk{}
						c, p := ordersTaken(t, customers(), exactlyOnce, d)
						c.config.LostInput = policy
						if running {
							p.mustClose()
							p = c.mustStart(d)
							c.settle(p)
						} else {
							p.mustClose()
						}
						if err := c.broker.Truncate(broker.TopicPartition{Topic: orders.Name()}, 15); err != nil {
							t.Fatal(err)
						}
						var err error
						if !running {
							if p, err = c.tryStart(d); err != nil {
								return c, p, d, err
							}
						}
						return c, p, d, p.run()
					}
					_, _, _, err := truncated(engine.LostFail)
					if !errors.Is(err, weir.ErrLostInput) || !strings.Contains(err.Error(), "last records") || strings.Contains(err.Error(), "made anew") {
						t.Fatalf("error %v does not say what is lost", err)
					}

					c, p, d, err := truncated(engine.LostContinue)
					if err != nil {
						t.Fatal(err)
					}
					c.config.LostInput = engine.LostFail
					for round := range 4 { // the log comes to the offsets of before: 2, 4, 6 and 8 records behind 15
						if round%2 == 0 {
							c.settle(p)
						}
						p.mustClose()
						if !kept {
							d.lose()
						}
						if round == 1 {
							c.broker.Forget(groupName)
						}
						p = c.mustStart(d)
						c.order("north", 1, int64(20+round))
						c.order("north", 1, int64(20+round))
						c.settle(p)
					}
					want := each(5)
					want["customer 0"], want["customer 1"], want["customer 2"] = 6, 6, 6
					if diff := gocmp.Diff(want, c.lastTotals()); diff != "" {
						t.Errorf("totals (-want +got):\n%s", diff)
					}

					c, p, _, err = truncated(engine.LostReset)
					if err != nil {
						t.Fatal(err)
					}
					c.expectReset(t, p)
				})
			})
		}
	}
}

// A process may die before the commit that goes on behind a truncation, and after it.
func TestACrashAfterATruncationCountsNothingTwice(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		commit := commitOf(exactlyOnce)
		for _, lost := range []bool{false, true} {
			for _, after := range []bool{false, true} {
				for at := range 5 {
					d := memoryDisk{}
					c, p := ordersTaken(t, customers(), exactlyOnce, d)
					p.mustClose()
					if err := c.broker.Truncate(broker.TopicPartition{Topic: orders.Name()}, 15); err != nil {
						t.Fatal(err)
					}
					c.config.LostInput, c.config.CheckpointRecords = engine.LostContinue, 1
					c.crashAtCommit(commit, after, at)
					p, err := c.start(d, "static")
					for range 20 {
						if err != nil {
							break
						}
						err = p.run()
						c.clock.Advance(interval)
						if err == nil && at > 1 && c.ids < 25 {
							c.order("north", 1, 30)
						}
					}
					c.onCall = nil
					if lost {
						d.lose()
					}
					p = c.mustStart(d)
					c.settle(p)
					for c.ids < 25 {
						c.order("north", 1, 30)
					}
					c.settle(p)
					if diff := gocmp.Diff(each(5), c.lastTotals()); diff != "" {
						t.Errorf("totals after a crash at commit %d, after it %v, database lost %v (-want +got):\n%s", at, after, lost, diff)
					}
				}
			}
		}
	})
}

// commitOf returns the call that commits offsets.
func commitOf(exactlyOnce bool) simbroker.OpKind {
	if exactlyOnce {
		return simbroker.OpEndTransaction
	}
	return simbroker.OpCommit
}

// crashAtCommit makes the process crash at a commit, the first one is 0, and at all later ones.
func (c *cluster) crashAtCommit(commit simbroker.OpKind, after bool, at int) {
	commits := 0
	c.onCall = func(op simbroker.Op) error {
		if op.Kind == commit && op.After == after {
			if commits++; commits > at {
				return errCrash
			}
		}
		return nil
	}
}
