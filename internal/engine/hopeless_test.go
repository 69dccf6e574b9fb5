package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// Before, exactly once went back twenty times before the end.
func TestAnErrorThatAnotherTryDoesNotCureEndsTheWorkAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		call  simbroker.OpKind
		topic string
		err   error
		wants []string
	}{
		"an output topic without permission": {
			simbroker.OpProduce, "totals", weir.ErrUnauthorized, []string{"sink totals (", "hopeless_test.go:", "write totals[", "allow the application to write"},
		},
		"a changelog without permission": {
			simbroker.OpProduce, shopsChangelog, weir.ErrUnauthorized,
			[]string{"mapstate shops (", "hopeless_test.go:", "write changelog " + shopsChangelog + `[0] of store "shops": `, "allow the application to write"},
		},
		"a format that the topic does not take": {simbroker.OpProduce, "totals", broker.ErrHopeless, []string{"sink totals (", "write totals["}},
		"a topic that was missing for too long": {
			simbroker.OpProduce, "totals", fmt.Errorf("%w: %w", broker.ErrHopeless, weir.ErrUnknownTopic), []string{"sink totals (", "create the topic again"},
		},
		"a group without permission": {simbroker.OpAddOffsets, "", weir.ErrUnauthorized, []string{"checkpoint: "}},
	} {
		for _, exactlyOnce := range []bool{false, true} {
			for _, closing := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, exactly once %v, closing %v", name, exactlyOnce, closing), func(t *testing.T) {
					call := test.call
					if !exactlyOnce && call == simbroker.OpAddOffsets {
						call = simbroker.OpCommit
					}
					topology := stream.NewTopology()
					topology.From(orders).MapStateRecord(shopsSeen, func(_ context.Context, c *store.Cell[string], r weir.Record[string, order]) (totalLine, error) {
						c.Set(r.Value.Shop)
						return totalLine{Shop: r.Value.Shop}, nil
					}).To(totals)
					c := newCluster(t, topology, 1)
					c.config.ExactlyOnce = exactlyOnce
					p := c.mustStart(memoryDisk{})
					p.mustRun() // commits where it begins
					tries := 0
					c.broker.OnCall = func(op simbroker.Op) error {
						if op.Kind == call && op.TopicPartition.Topic == test.topic && !op.After {
							tries++
							return fmt.Errorf("%w: by the test", test.err)
						}
						return nil
					}
					c.order("north", 1, begin.UnixMilli())
					var err error
					if closing {
						if _, err := p.step(); err != nil {
							t.Fatal(err)
						}
						err = p.close()
					} else {
						err = p.run()
						for range 50 {
							c.clock.Advance(interval)
							if err != nil {
								break
							}
							err = p.run()
						}
					}
					if !errors.Is(err, test.err) || tries != 1 {
						t.Fatalf("got %v after %d tries, want %v after 1", err, tries, test.err)
					}
					if errors.Is(err, broker.ErrAborted) {
						t.Errorf("the error is about a transaction: %v", err)
					}
					for _, want := range test.wants {
						if strings.Count(err.Error(), want) != 1 {
							t.Errorf("the error does not say %q once: %v", want, err)
						}
					}
				})
			}
		}
	}
}
