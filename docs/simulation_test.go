package docs

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var visits = stream.NewTopic("visits", codec.String(), codec.String())

func Topology() *stream.Topology {
	t := stream.NewTopology()
	t.From(visits).MapState(store.NewCell[int]("count"), func(c *store.Cell[int], _ string) int {
		n, _ := c.Get()
		c.Set(n + 1)
		return n + 1
	}).To(stream.NewTopic("counts", codec.String(), codec.Int()))
	return t
}

func TestCountsSurviveFaults(t *testing.T) {
	input := testkit.Generate(visits, 100, func(r *rand.Rand, i int) testkit.Record[string, string] {
		return testkit.Record[string, string]{
			Key: fmt.Sprint("visitor ", r.IntN(5)), Value: "/", Time: time.UnixMilli(int64(i)),
		}
	})
	testkit.Simulate(t, Topology(), []testkit.SimulatedInput{input}, testkit.Faults{})
}
