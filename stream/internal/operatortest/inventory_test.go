package operatortest_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
)

// Whatever keeps state says what it keeps.
func TestAllStoresNameTheirTypes(t *testing.T) {
	topologies := map[string]*stream.Topology{}
	for _, o := range operators {
		topologies[o.name] = stream.NewTopology()
		o.declare(topologies[o.name].From(in), &probe{})
	}
	joins := stream.NewTopology()
	s := joins.From(in)
	nothing := func(string, *string) string { return "" }
	s.LeftJoinAsOf(s, join.AsOf{}.Grace(time.Hour).Tolerance(time.Second).Nearest(), nothing)
	s.LeftJoinInterval(s, join.Within(0, 0), nothing)
	joins.Table(topic("table")).LeftJoin(stream.TableOf(s, "other"), nothing)
	topologies["joins"] = joins
	for name, topology := range topologies {
		for _, s := range topology.Inventory().Streams {
			for _, store := range s.Stores {
				if store.Key == "" || store.State == "" {
					t.Errorf("%s: %+v", name, store)
				}
			}
		}
	}
}
