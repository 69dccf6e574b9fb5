package engine_test

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/stream"
)

// Another member had the task meanwhile, committed what it has processed, and had that deleted: no input is lost, so that the task goes
// on behind it, although LostInput is to fail.
func TestATaskThatAnotherMemberHasOvertakenGoesOnBehindIt(t *testing.T) {
	for _, opening := range []bool{false, true} {
		t.Run(fmt.Sprintf("while it is opened %v", opening), func(t *testing.T) {
			topology := stream.NewTopology()
			topology.From(topicA).To(topicOut)
			c := newCluster(t, topology, 1)
			d := memoryDisk{}
			c.write(a0, 1, 2, 3)
			p := c.mustStart(d)
			c.settle(p)
			if got := c.broker.Committed(groupName)[a0]; got != 3 {
				t.Fatalf("%d is committed, want 3", got)
			}
			if opening {
				p.mustClose()
			}
			c.write(a0, 4, 5, 6, 7, 8)
			overtaken := false
			overtake := func() {
				overtaken = true
				if err := p.group.Commit(t.Context(), map[broker.TopicPartition]int64{a0: 6}, nil); err != nil {
					t.Error(err)
				}
				if err := c.broker.DeleteRecords(a0, 6); err != nil {
					t.Error(err)
				}
			}
			if opening {
				var err error
				if p, err = c.start(d, "static"); err != nil {
					t.Fatal(err)
				}
				c.onCall = func(op simbroker.Op) error {
					if op.Kind == simbroker.OpCommittedOffsets && op.After && !overtaken {
						overtake()
					}
					return nil
				}
			} else {
				overtake()
			}
			p.mustRun()
			c.settle(p)
			var got []string
			for _, r := range c.broker.Read(out0, 0) {
				got = append(got, string(r.Value))
			}
			if diff := gocmp.Diff("A1 A2 A3 A7 A8", strings.Join(got, " ")); !overtaken || diff != "" {
				t.Errorf("overtaken: %v, written (-want +got):\n%s", overtaken, diff)
			}
			if got := c.broker.Committed(groupName)[a0]; got != 8 {
				t.Errorf("%d is committed, want 8", got)
			}
		})
	}
}
