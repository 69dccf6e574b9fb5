package sim_test

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/weirstreams/weir/testkit/sim"
)

// The kinds of windows of a windowModel.
const (
	aligned = iota // tumbling and hopping
	slidingWindow
	sessionWindow
	counted
)

// windowModel is the definition of windows behind the repartition by shop, and how they are emitted.
type windowModel struct {
	kind                 int
	size, step, grace    int64 // size is the gap of sessions
	count, every         int
	byPartition, current bool
	result               func([]input) any
}

func checkWindows(models map[string]windowModel) func(sim.Outcome) error {
	return func(o sim.Outcome) error {
		for topic, m := range models {
			var want [][]string
			for _, task := range inputsOf(o, "repartition__sim--orders--shop") {
				want = append(want, m.fold(task))
			}
			if err := compareOutput(o, topic, want, false); err != nil {
				return err
			}
		}
		return nil
	}
}

// The results of aggregations. Records are ordered by time, and those of one time as they came; windows by count keep the order of
// arrival.

func idsAndSum(records []input) any {
	ids, sum := []int{}, 0
	for _, r := range records {
		ids = append(ids, r.ID)
		sum += r.Amount
	}
	return fmt.Sprint(ids, sum)
}

func latestAmount(records []input) any { return records[len(records)-1].Amount }

func lastAmount(records []input) any { return records[len(records)-1].Amount }

func greatestAmount(records []input) any {
	return slices.MaxFunc(records, func(a, b input) int { return a.Amount - b.Amount }).Amount
}

// closing is a window that closes.
type closing struct {
	key        string
	start, end int64
	records    []input
}

// fold returns the output of a task.
func (m windowModel) fold(records []input) (lines []string) {
	emit := func(c closing, cause input) {
		if m.kind != counted {
			slices.SortStableFunc(c.records, func(a, b input) int { return cmp.Compare(a.at, b.at) })
		}
		lines = append(lines, output(c.key, fmt.Sprintf("[%d,%d]=%v %s", c.start, c.end, m.result(c.records), cause.origin), c.start))
	}
	accepted := map[string][]input{} // by key
	for i, r := range records {
		before := int64(-1 << 40) // the greatest time so far, of the key or of the partition
		for _, earlier := range records[:i] {
			if m.byPartition || earlier.key == r.key {
				before = max(before, earlier.at)
			}
		}
		reached := max(before, r.at)

		var changed, closes []closing
		switch m.kind {
		case aligned:
			added := false
			for start := int64(0); start <= r.at; start += m.step {
				if end := start + m.size; r.at < end && end+m.grace > reached {
					changed = append(changed, closing{r.key, start, end, nil})
					added = true
				}
			}
			if added {
				accepted[r.key] = append(accepted[r.key], r)
			}
			for key, all := range accepted {
				for start := int64(0); start+m.size+m.grace <= reached; start += m.step {
					end := start + m.size
					if in := between(all, start, end-1); end+m.grace > before && len(in) > 0 {
						closes = append(closes, closing{key, start, end, in})
					}
				}
			}
			for i, c := range changed {
				changed[i].records = between(accepted[r.key], c.start, c.end-1)
			}
		case slidingWindow:
			// A window ends with each record and is closed when the time that was reached, less grace, is after its end.
			open := reached - m.grace
			if r.at < open-m.size {
				continue
			}
			accepted[r.key] = append(accepted[r.key], r)
			for key, all := range accepted {
				for _, x := range all {
					c := closing{key, max(0, x.at-m.size), x.at, between(all, x.at-m.size, x.at)}
					if x.at < open && x.at >= before-m.grace { // a record that is late for its own window counts in later ones
						closes = append(closes, c)
					} else if x.at >= open && key == r.key && x.at >= r.at && x.at <= r.at+m.size {
						changed = append(changed, c)
					}
				}
			}
		case sessionWindow:
			if r.at < reached-m.size-m.grace {
				continue
			}
			accepted[r.key] = append(accepted[r.key], r)
			for key, all := range accepted {
				var rest []input
				for _, c := range sessionsOf(key, all, m.size) {
					if key == r.key && c.start <= r.at && r.at <= c.end {
						changed = append(changed, c)
					}
					if c.end+2*m.size+m.grace < reached && (m.byPartition || key == r.key) {
						closes = append(closes, c)
					} else {
						rest = append(rest, c.records...)
					}
				}
				slices.SortFunc(rest, func(a, b input) int { return cmp.Compare(a.Offset, b.Offset) })
				accepted[key] = rest
			}
		case counted:
			accepted[r.key] = append(accepted[r.key], r)
			all := accepted[r.key]
			for from := 0; from < len(all); from += m.every {
				if len(all)-from > m.count {
					continue
				}
				in := all[from:]
				c := closing{r.key, in[0].at, in[0].at, in}
				for _, x := range in {
					c.start, c.end = min(c.start, x.at), max(c.end, x.at)
				}
				changed = append(changed, c)
				if len(in) == m.count {
					closes = append(closes, c)
				}
			}
		}

		inOrder := func(a, b closing) int {
			return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.key, b.key), cmp.Compare(a.start, b.start))
		}
		if m.kind != counted {
			slices.SortStableFunc(changed, inOrder)
			slices.SortStableFunc(closes, inOrder)
			same := func(a, b closing) bool { return a.key == b.key && a.end == b.end && a.start == b.start }
			changed, closes = slices.CompactFunc(changed, same), slices.CompactFunc(closes, same)
		}
		for _, c := range changed {
			if m.current {
				emit(c, r)
			}
		}
		for _, c := range closes {
			if !m.current && (m.byPartition || c.key == r.key) {
				emit(c, r)
			}
		}
	}
	return lines
}

// between returns the records with from <= time <= to.
func between(records []input, from, to int64) (in []input) {
	for _, r := range records {
		if from <= r.at && r.at <= to {
			in = append(in, r)
		}
	}
	return in
}

// sessionsOf cuts the records of a key where there is a gap.
func sessionsOf(key string, records []input, gap int64) (all []closing) {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b input) int { return cmp.Compare(a.at, b.at) })
	for i, r := range records {
		if i == 0 || r.at > records[i-1].at+gap {
			all = append(all, closing{key: key, start: r.at})
		}
		last := &all[len(all)-1]
		last.end, last.records = r.at, append(last.records, r)
	}
	return all
}
