package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// blindFetcher does not notice that topics were made anew.
type blindFetcher struct {
	broker.Fetcher
	next map[broker.TopicPartition]int64
}

func blind(f broker.Fetcher) broker.Fetcher {
	return &blindFetcher{f, map[broker.TopicPartition]int64{}}
}

func (f *blindFetcher) Start(tp broker.TopicPartition, offset int64) {
	f.StartAfter(tp, offset, broker.NoLeaderEpoch)
}

func (f *blindFetcher) StartAfter(tp broker.TopicPartition, offset int64, epoch int32) {
	f.next[tp] = offset
	f.Fetcher.StartAfter(tp, offset, epoch)
}

func (f *blindFetcher) Poll(ctx context.Context, wait time.Duration) (*broker.Batch, error) {
	batch, err := f.Fetcher.Poll(ctx, wait)
	if replaced, ok := errors.AsType[*broker.TopicReplacedError](err); ok {
		f.Fetcher.Start(replaced.TopicPartition, f.next[replaced.TopicPartition])
		return nil, nil
	}
	if batch != nil {
		f.next[batch.TopicPartition] = batch.NextOffset
	}
	return batch, err
}

// A topic is made anew while a task reads it: with fewer records than were read, and with more. The records of the new topic are
// processed from its start, once each, if Config.Topics.OnLostInput says so.
func TestATopicThatIsMadeAnewUnderATaskIsLostInput(t *testing.T) {
	for _, n := range []int{10, 25} {
		for name, wrap := range map[string]func(broker.Fetcher) broker.Fetcher{"noticed by the fetcher": nil, "noticed by its id": blind} {
			t.Run(fmt.Sprintf("%d records, %s", n, name), func(t *testing.T) {
				bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
					begin := func(policy engine.LostInput) (*cluster, *process, memoryDisk) {
						d := memoryDisk{}
						c := newCluster(t, customers(), 1)
						c.config.ExactlyOnce, c.config.LostInput, c.wrapFetcher = exactlyOnce, policy, wrap
						p := c.mustStart(d)
						for i := range 20 {
							c.order("north", 1, int64(i))
						}
						c.settle(p)
						c.ordersAnew(0)
						if wrap == nil {
							for i := range n {
								c.order("north", 1, int64(i))
							}
						}
						return c, p, d
					}
					notice := func(c *cluster, p *process) error {
						c.clock.Advance(2 * time.Minute)
						return p.run()
					}

					c, p, d := begin(engine.LostFail)
					if err := notice(c, p); err == nil || !strings.Contains(err.Error(), "made anew") || !strings.Contains(err.Error(), "Config.Topics.OnLostInput") {
						t.Fatalf("error %v does not say what has happened and how to go on", err)
					}
					if _, err := c.tryStart(d); err == nil || !strings.Contains(err.Error(), "made anew") {
						t.Fatalf("the next start: %v", err)
					}

					c, p, d = begin(engine.LostContinue)
					if err := notice(c, p); err != nil {
						t.Fatal(err)
					}
					if wrap != nil {
						for i := range n {
							c.order("north", 1, int64(i))
						}
					}
					for range 2 {
						c.settle(p)
						if diff := gocmp.Diff(each(4+n/5), c.lastTotals()); diff != "" {
							t.Errorf("totals (-want +got):\n%s", diff)
						}
						p.mustClose()
						d.lose()
						p = c.mustStart(d)
					}

					c, p, _ = begin(engine.LostReset)
					if err := notice(c, p); err != nil {
						t.Fatal(err)
					}
					c.expectReset(t, p)
				})
			})
		}
	}
}

// copies writes the orders without their keys' state.
func copies() *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).MapRecord(func(_ context.Context, r weir.Record[string, order]) (totalLine, error) {
		return totalLine{Shop: fmt.Sprint(r.Value.ID)}, nil
	}).To(totals)
	return t
}

// A part without state knows of the new topic by the fetcher alone. It commits where it goes on together with what it has processed, so
// that no start takes an offset of the former topic for one of the new.
func TestAPartWithoutStateGoesOnWithATopicThatIsMadeAnew(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		c := newCluster(t, copies(), 1)
		c.config.ExactlyOnce, c.config.LostInput = exactlyOnce, engine.LostContinue
		p := c.mustStart(memoryDisk{})
		for i := range 20 {
			c.order("north", 1, int64(i))
		}
		c.settle(p)
		for i := range 3 {
			c.order("north", 1, int64(i))
		}
		p.mustRun() // and nothing is committed yet
		c.ordersAnew(30)
		var commits []map[broker.TopicPartition]int64
		c.onCall = func(op simbroker.Op) error {
			if op.After && (op.Kind == simbroker.OpCommit || op.Kind == simbroker.OpEndTransaction) {
				commits = append(commits, c.broker.Committed(groupName))
			}
			return nil
		}
		c.settle(p)
		c.onCall = nil
		in := broker.TopicPartition{Topic: orders.Name()}
		if len(commits) == 0 || commits[0][in] != 0 {
			t.Errorf("committed %v, want 0 first", commits)
		}
		p.mustClose()
		seen := map[string]int{}
		for _, r := range c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0) {
			var l totalLine
			if err := json.Unmarshal(r.Value, &l); err != nil {
				t.Fatal(err)
			}
			seen[l.Shop]++
		}
		want := map[string]int{}
		for i := range 53 {
			want[fmt.Sprint(i)] = 1
		}
		if diff := gocmp.Diff(want, seen); diff != "" {
			t.Errorf("copies (-want +got):\n%s", diff)
		}
	})
}
