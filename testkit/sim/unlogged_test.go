package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// customerCount is the state of a customer: the number of orders from an offset on.
type customerCount struct {
	From  int64
	Count int
}

// unlogged counts the orders of each customer in a store without a changelog. The ID of a line is where its count begins.
func unlogged(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	count := store.NewCell[customerCount]("count").WithoutChangelog()
	t.From(orders).MapStateRecord(count, func(_ context.Context, c *store.Cell[customerCount], r weir.Record[string, order]) (line, error) {
		n, ok := c.Get()
		if !ok {
			n.From = r.Origin.Offset
		}
		n.Count++
		c.Set(n)
		return check(faulty, line{int(n.From), n.Count, fmt.Sprint(r.Origin.Partition), r.Origin.Offset}), nil
	}).To(lines)
	return t
}

// checkUnlogged checks that each count is that of all orders of the customer from the offset where it begins. State may begin anew, but
// it neither lacks a record in the middle, nor holds one twice, with either guarantee. If the disk was kept it is that of all input.
func checkUnlogged(o sim.Outcome) error {
	for partition, processed := range o.Processed("orders") {
		places := map[string][]int64{} // offsets by key
		for _, r := range processed {
			places[string(r.Key)] = append(places[string(r.Key)], r.Offset)
		}
		times := map[int64]int{}
		for _, r := range slices.Concat(o.Read("lines")...) {
			var l line
			if err := json.Unmarshal(r.Value, &l); err != nil {
				return err
			}
			if l.Origin != fmt.Sprint(partition) {
				continue
			}
			times[l.Offset]++
			offsets := places[string(r.Key)]
			from, to := slices.Index(offsets, int64(l.ID)), slices.Index(offsets, l.Offset)
			if from < 0 || to < 0 || l.Total != to-from+1 {
				return fmt.Errorf("orders[%d] at offset %d: the count of %q from offset %d on is %d, want %d", partition, l.Offset, r.Key, l.ID, l.Total, to-from+1)
			}
			if o.Kept && from > 0 {
				return fmt.Errorf("orders[%d] at offset %d: state of %q begins at offset %d, although the disk was kept", partition, l.Offset, r.Key, l.ID)
			}
		}
		for _, r := range processed {
			if n := times[r.Offset]; n == 0 || o.ExactlyOnce && n > 1 {
				return fmt.Errorf("orders[%d] at offset %d: customerCount %d times", partition, r.Offset, n)
			}
		}
	}
	return nil
}
