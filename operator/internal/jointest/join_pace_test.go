package jointest_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// Joins behind a GroupBy find all pairs of results, though the tasks that emit them come as far at different times.
func TestTasksOfDifferentPaceLoseNoPairsOfAJoin(t *testing.T) {
	const (
		timeout = 10 * time.Second
		size    = 30 * time.Second
	)
	left := stream.NewTopic("left", codec.String(), codec.Int())
	right := stream.NewTopic("right", codec.String(), codec.Int())
	pairs := stream.NewTopic("pairs", codec.String(), codec.Int())
	sum := func(a, b int) int { return a + b }
	for name, joined := range map[string]func(l, r stream.Stream[string, int]) stream.Stream[string, int]{
		"interval": func(l, r stream.Stream[string, int]) stream.Stream[string, int] {
			return l.JoinInterval(r, join.Within(0, 0).Grace(0), sum)
		},
		"interval, left": func(l, r stream.Stream[string, int]) stream.Stream[string, int] {
			return l.LeftJoinInterval(r, join.Within(0, 0).Grace(0).UnmatchedWhenFinal(), func(a int, b *int) int {
				if b == nil {
					return -1000
				}
				return a + *b
			})
		},
	} {
		for _, partitions := range []int32{1, 3} {
			t.Run(fmt.Sprintf("%s, %d partitions", name, partitions), func(t *testing.T) {
				topology := stream.NewTopology()
				stage := func(topic stream.Topic[string, int], name string) stream.Stream[string, int] {
					return topology.From(topic).Window(window.Tumbling(size)).Aggregate(window.Count[int]()).Final().
						Map(func(window.Result[int64]) int { return 1 }).GroupBy(name, func(int) string { return "x" })
				}
				joined(stage(left, "l"), stage(right, "r")).To(pairs)
				d := testkit.New(t, topology, testkit.Config{Partitions: partitions, IdleTimeout: timeout})
				begin := d.Now().Add(-3 * time.Hour)
				const keys, windows = 12, 4
				for task := range partitions { // one after the other
					for w := range windows {
						for key := range keys {
							if k := strconv.Itoa(key); murmur2.Partition([]byte(k), partitions) == task {
								at := begin.Add(time.Duration(w) * size)
								d.Input(left).Send(k, 1, at)
								d.Input(right).Send(k, 1, at)
								d.Advance(50 * time.Millisecond)
							}
						}
					}
				}
				for range 100 {
					d.Advance(time.Second)
				}
				got := 0
				for _, n := range d.Output(pairs).Values() {
					got += n
				}
				if want := windows * keys * keys * 2; got != want {
					t.Errorf("the pairs add up to %d, want %d", got, want)
				}
			})
		}
	}
}
