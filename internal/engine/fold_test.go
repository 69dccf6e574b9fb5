package engine_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/window"
)

// fold is what the repartition topic comes to, one record after the other.
type fold struct {
	totals  map[string]int
	windows map[string]map[int64]int
	latest  map[string]int64
	// lines is the output by partition, in order.
	totalLines  map[int32][]totalLine
	windowLines map[int32][]windowLine
}

func (c *cluster) fold() fold {
	c.t.Helper()
	f := fold{
		totals: map[string]int{}, windows: map[string]map[int64]int{}, latest: map[string]int64{},
		totalLines: map[int32][]totalLine{}, windowLines: map[int32][]windowLine{},
	}
	for n := range c.partitions[repartition] {
		for _, r := range c.broker.Read(broker.TopicPartition{Topic: repartition, Partition: n}, 0) {
			o := c.decodeOrder(r.Value)
			f.totals[o.Shop] += o.Amount
			f.totalLines[n] = append(f.totalLines[n], totalLine{o.Shop, n, r.Offset, f.totals[o.Shop]})
			open := f.windows[o.Shop]
			if open == nil {
				open = map[int64]int{}
				f.windows[o.Shop] = open
			}
			start := r.Millis - r.Millis%10
			if start+10 <= f.latest[o.Shop] {
				continue
			}
			f.latest[o.Shop] = max(f.latest[o.Shop], r.Millis)
			open[start] += o.Amount
			for _, s := range slices.Sorted(maps.Keys(open)) {
				if s+10 <= f.latest[o.Shop] {
					f.windowLines[n] = append(f.windowLines[n], windowLine{o.Shop, n, r.Offset, s, open[s]})
					delete(open, s)
				}
			}
		}
	}
	return f
}

func (c *cluster) decodeOrder(value []byte) order {
	var o order
	if err := json.Unmarshal(value, &o); err != nil {
		c.t.Fatal(err)
	}
	return o
}

// checkLogs checks that no input was skipped and that every output is that of the fold, with repetitions at most of work
// that was not committed when a process was started. zombies says that two processes may have worked at the same time.
func (c *cluster) checkLogs(zombies bool) {
	c.t.Helper()
	seen := map[int]bool{}
	for n := range c.partitions[repartition] {
		for _, r := range c.broker.Read(broker.TopicPartition{Topic: repartition, Partition: n}, 0) {
			seen[c.decodeOrder(r.Value).ID] = true
		}
	}
	if len(seen) != c.ids {
		c.t.Errorf("%d of %d orders reached the repartition topic", len(seen), c.ids)
	}
	for _, topic := range []string{totalChangelog, windowChangelog} {
		for n := range c.partitions[topic] {
			for _, r := range c.broker.Read(broker.TopicPartition{Topic: topic, Partition: n}, 0) {
				if at := time.UnixMilli(r.Millis); at.Before(begin) || at.After(c.clock.Now()) {
					c.t.Fatalf("%s[%d] at offset %d has the time %v", topic, n, r.Offset, at)
				}
			}
		}
	}
	f := c.fold()
	checkOutput(c, totals.Name(), f.totalLines, zombies, func(l totalLine) (int32, int64) { return l.Partition, l.Offset })
	checkOutput(c, windows.Name(), f.windowLines, zombies, func(l windowLine) (int32, int64) { return l.Partition, l.Offset })
}

func checkOutput[L comparable](c *cluster, topic string, want map[int32][]L, zombies bool, origin func(L) (int32, int64)) {
	c.t.Helper()
	expected, got := map[L]bool{}, map[L]bool{}
	first := map[int32][]L{}
	for _, lines := range want {
		for _, l := range lines {
			expected[l] = true
		}
	}
	for n := range c.partitions[topic] {
		tp := broker.TopicPartition{Topic: topic, Partition: n}
		for _, r := range c.broker.Read(tp, 0) {
			var l L
			if err := json.Unmarshal(r.Value, &l); err != nil {
				c.t.Fatal(err)
			}
			if !expected[l] {
				c.t.Errorf("%s at offset %d: %+v is no result of the repartition topic", tp, r.Offset, l)
				return
			}
			partition, offset := origin(l)
			if !got[l] {
				first[partition] = append(first[partition], l)
			}
			got[l] = true
			for _, s := range c.starts {
				if at := s.committed[broker.TopicPartition{Topic: repartition, Partition: partition}]; !zombies && r.Offset >= s.written[tp] && offset < at {
					c.t.Errorf("%s at offset %d: %+v was made again although offset %d was committed", tp, r.Offset, l, at)
				}
			}
		}
	}
	for l := range expected {
		if !got[l] {
			c.t.Errorf("%s lacks %+v", topic, l)
			break
		}
	}
	for p, lines := range first {
		if !slices.IsSortedFunc(lines, func(a, b L) int {
			_, x := origin(a)
			_, y := origin(b)
			return cmp.Compare(x, y)
		}) {
			c.t.Errorf("%s: results of partition %d came out of order", topic, p)
		}
	}
}

// fill runs a process that takes orders of 17 shops.
func (c *cluster) fill(d disk, orders int) {
	c.t.Helper()
	p := c.mustStart(d)
	for i := range orders {
		c.order(string(rune('a'+i%17)), i, int64(i))
	}
	c.settle(p)
	p.mustClose()
}

// checkAnew checks the state of a process, then that of its successor, which has lost the disk, and lets that go on.
func (c *cluster) checkAnew(p *process, d disk) {
	c.t.Helper()
	c.settle(p)
	c.checkState(p)
	p.mustClose()
	d.lose()
	p = c.mustStart(d)
	c.checkState(p)
	c.order("north", 8, 35)
	c.settle(p)
	c.checkLogs(false)
}

// checkState compares the stores with the fold.
func (c *cluster) checkState(ps ...*process) {
	c.t.Helper()
	f := c.fold()
	gotTotals, gotWindows := map[string]int{}, map[string]map[int64]int{}
	for _, p := range ps {
		for _, w := range p.workers {
			for shop := range f.totals {
				for _, s := range w.Stores("total") {
					cell := s.(*state.Cell[int])
					if err := cell.Place([]byte(shop)); err != nil {
						c.t.Fatal(err)
					}
					if n, ok := cell.Get(); ok {
						gotTotals[shop] += n // if two tasks had it the sum would be wrong
					}
				}
				for _, s := range w.Stores(windowName) {
					open, err := s.(*state.Windowed[window.SumState[int]]).Place([]byte(shop))
					if err != nil {
						c.t.Fatal(err)
					}
					for _, o := range open.Open {
						if gotWindows[shop] == nil {
							gotWindows[shop] = map[int64]int{}
						}
						gotWindows[shop][o.Start] += o.Acc.Total()
					}
				}
			}
		}
	}
	if diff := gocmp.Diff(f.totals, gotTotals); diff != "" {
		c.t.Errorf("totals (-fold +state):\n%s", diff)
	}
	if diff := gocmp.Diff(f.windows, gotWindows); diff != "" {
		c.t.Errorf("open windows (-fold +state):\n%s", diff)
	}
}
