package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
)

// A left record sees the right record of its own time, whichever of the two topics comes first by name.
func TestOfEqualTimesTheRightSideIsReadFirst(t *testing.T) {
	type text = stream.Stream[string, string]
	pair := func(l string, r *string) string {
		if r == nil {
			return l + "-"
		}
		return l + *r
	}
	latest := func(s text, name string) stream.Table[string, string] { return stream.TableOf(s, name) }
	joins := map[string]struct {
		of   func(left, right text) text
		want string
	}{
		"as of": {func(l, r text) text { return l.LeftJoinAsOf(r, join.AsOf{}.Grace(time.Hour), pair) }, "l1r1 l2r2 l4r2"},
		"stream and table": {func(l, r text) text {
			return l.LeftJoinTable(latest(r, "rows"), pair)
		}, "l1r1 l2r2 l4r2"},
		"tables": {func(l, r text) text {
			return latest(l, "left").LeftJoin(latest(r, "right"), pair).Stream()
		}, "l1r1 l1r2 l2r2 l4r2"},
		"interval": {func(l, r text) text {
			return l.JoinInterval(r, join.Within(0, 0), func(l, r string) string { return "r before " + l })
		}, "r before l1 r before l2"},
		"as of, behind a concatenation that has the left side first": {func(l, r text) text {
			both := l.Merge(r).Filter(func(v string) bool { return v[0] == 'l' })
			return both.LeftJoinAsOf(r, join.AsOf{}.Grace(time.Hour), pair)
		}, "l1r1 l2r2 l4r2"},
	}
	for name, j := range joins {
		for _, topics := range [][2]stream.Topic[string, string]{{topicA, topicB}, {topicB, topicA}} {
			for _, leftFirst := range []bool{true, false} { // in the order of declaration
				t.Run(fmt.Sprintf("%s, left %s, declared first %t", name, topics[0].Name(), leftFirst), func(t *testing.T) {
					topology := stream.NewTopology()
					var left, right text
					if leftFirst {
						left = topology.From(topics[0])
					}
					right = topology.From(topics[1])
					if !leftFirst {
						left = topology.From(topics[0])
					}
					j.of(left, right).To(topicOut)
					c := newCluster(t, topology, 1)
					c.broker.DeliverOnSend = true
					for side, times := range [][]int64{{1, 2, 4}, {1, 2}} {
						for _, at := range times {
							r := broker.Record{Key: []byte("k"), Value: fmt.Appendf(nil, "%c%d", "lr"[side], at), Millis: at}
							if err := c.broker.Append(broker.TopicPartition{Topic: topics[side].Name()}, r); err != nil {
								t.Fatal(err)
							}
						}
					}
					c.expectOrder(c.mustStart(memoryDisk{}), j.want)
				})
			}
		}
	}
}

// Inputs that no join puts in order are read in the order of their declaration.
func TestOfEqualTimesTheInputThatWasDeclaredFirstIsReadFirst(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		first, second, want := topicA, topicB, "A1 B1 A2 B2"
		if swapped {
			first, second, want = topicB, topicA, "B1 A1 B2 A2"
		}
		topology := stream.NewTopology()
		topology.From(first).Merge(topology.From(second)).To(topicOut)
		c := newCluster(t, topology, 1)
		c.broker.DeliverOnSend = true
		c.write(a0, 1, 2)
		c.write(b0, 1, 2)
		c.expectOrder(c.mustStart(memoryDisk{}), want)
	}
}

// With three inputs the order follows from all joins, and of two joins that contradict each other the first decides.
func TestTheOrderOfEqualTimesFollowsFromAllJoins(t *testing.T) {
	third := stream.NewTopic("third", codec.String(), codec.String())
	topology := stream.NewTopology()
	a, b, c := topology.From(topicA), topology.From(topicB), topology.From(third)
	keep := func(l string, _ *string) string { return l }
	a.LeftJoinAsOf(b, join.AsOf{}.Grace(time.Hour).Name("one"), keep).To(topicOut)
	b.LeftJoinAsOf(c, join.AsOf{}.Grace(time.Hour).Name("two"), keep).To(topicOut)
	c.LeftJoinAsOf(a, join.AsOf{}.Grace(time.Hour).Name("three"), keep).To(topicOut)
	plan := graph.NewPlan(topology.Graph(), groupName)
	var got []string
	for _, n := range plan.SubTopologies[0].ReadOrder() {
		got = append(got, plan.Topic(n))
	}
	if want := "[third totals orders]"; fmt.Sprint(got) != want {
		t.Errorf("read order %v, want %s", got, want)
	}
}
