package sim_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

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
	// from is the input: the topic of the repartition by shop, if it is empty.
	from string
	// heldBack says that of the results of Current some may be missing: never the last of a window.
	heldBack bool
	// everyRecords, everyMillis and when emit a result early. closeAfter and closeBefore close aligned windows.
	everyRecords int
	everyMillis  int64
	when         func([]input) bool
	closeAfter   func([]input) bool
	closeBefore  func(in []input, next input) bool
}

func checkWindows(models map[string]windowModel) func(sim.Outcome) error {
	return func(o sim.Outcome) error {
		for topic, m := range models {
			var want [][]string
			for _, task := range inputsOf(o, cmp.Or(m.from, "repartition__sim--orders--shop")) {
				want = append(want, m.fold(task))
			}
			compare := compareOutput
			if m.heldBack {
				compare = compareHeldBack
			}
			if err := compare(o, topic, want, false); err != nil {
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

func firstAmount(records []input) any {
	return slices.MinFunc(records, func(a, b input) int { return cmp.Compare(a.Offset, b.Offset) }).Amount
}

// processedLast is the amount of the record that was processed last.
func processedLast(records []input) any {
	return slices.MaxFunc(records, func(a, b input) int { return cmp.Compare(a.Offset, b.Offset) }).Amount
}

func sumOf(records []input) (sum int) {
	for _, r := range records {
		sum += r.Amount
	}
	return sum
}

func sumAmount(records []input) any { return sumOf(records) }

func meanAmount(records []input) any { return float64(sumOf(records)) / float64(len(records)) }

// deviation is that of a whole population, to six places.
func deviation(records []input) any {
	mean, squares := float64(sumOf(records))/float64(len(records)), 0.0
	for _, r := range records {
		squares += (float64(r.Amount) - mean) * (float64(r.Amount) - mean)
	}
	return fmt.Sprintf("%.6f", math.Sqrt(squares/float64(len(records))))
}

func byTime(records []input) []input {
	return slices.SortedStableFunc(slices.Values(records), func(a, b input) int { return cmp.Compare(a.at, b.at) })
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
			c.records = byTime(c.records)
		}
		lines = append(lines, output(c.key, fmt.Sprintf("[%d,%d]=%v %s", c.start, c.end, m.result(c.records), cause.origin), c.start))
	}
	accepted := map[string][]input{} // by key
	type id struct {
		key   string
		start int64
	}
	since := map[id]int64{} // the offset of the first record of a window after a trigger has closed it
	content := func(key string, start int64) []input {
		return slices.DeleteFunc(between(accepted[key], start, start+m.size-1), func(x input) bool { return x.Offset < since[id{key, start}] })
	}
	for i, r := range records {
		before := int64(-1 << 40) // the greatest time so far, of the key or of the partition
		for _, earlier := range records[:i] {
			if m.byPartition || earlier.key == r.key {
				before = max(before, earlier.at)
			}
		}
		reached := max(before, r.at)

		var changed, closes, triggered []closing
		switch m.kind {
		case aligned:
			for start := int64(0); start <= r.at; start += m.step {
				if end := start + m.size; r.at < end && end+m.grace > reached {
					in := content(r.key, start)
					if m.closeBefore != nil && len(in) > 0 && m.closeBefore(byTime(in), r) {
						triggered = append(triggered, closing{r.key, start, end, in})
						since[id{r.key, start}] = r.Offset
					}
					changed = append(changed, closing{r.key, start, end, nil})
				}
			}
			if len(changed) > 0 {
				accepted[r.key] = append(accepted[r.key], r)
			}
			for key := range accepted {
				for start := int64(0); start+m.size+m.grace <= reached; start += m.step {
					end := start + m.size
					if end+m.grace <= before {
						continue
					}
					if in := content(key, start); len(in) > 0 {
						closes = append(closes, closing{key, start, end, in})
					}
				}
			}
			for i, c := range changed {
				changed[i].records = content(c.key, c.start)
				if m.closeAfter != nil && m.closeAfter(byTime(changed[i].records)) {
					triggered = append(triggered, changed[i])
					since[id{c.key, c.start}] = r.Offset + 1
				}
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
		for _, c := range changed {
			if m.early(c, r) {
				emit(c, r)
			}
		}
		for _, c := range triggered {
			emit(c, r)
		}
	}
	return lines
}

// early reports whether a window that a record has changed has a result before it closes.
func (m windowModel) early(c closing, r input) bool {
	latest := c.start // the greatest time of the records before
	for _, x := range c.records {
		if x.Offset != r.Offset {
			latest = max(latest, x.at)
		}
	}
	return m.everyRecords > 0 && len(c.records)%m.everyRecords == 0 ||
		m.everyMillis > 0 && (max(latest, r.at)-c.start)/m.everyMillis > (latest-c.start)/m.everyMillis ||
		m.when != nil && m.when(byTime(c.records))
}

// compareHeldBack compares a topic with the results of which some may be missing: the last of each window is there.
func compareHeldBack(o sim.Outcome, topic string, want [][]string, _ bool) error {
	for p, records := range o.Read(topic) {
		place, last := map[string]int{}, map[string]string{}
		for i, l := range want[p] {
			window, _, _ := strings.Cut(l, "=")
			place[l], last[window] = i, l
		}
		reached := map[string]int{}
		for _, r := range records {
			l := fmt.Sprintf("%s: %s @%d", r.Key, r.Value, r.Millis)
			window, _, _ := strings.Cut(l, "=")
			at, ok := place[l]
			if !ok {
				return fmt.Errorf("%s, partition %d: a result that there is not: %s", topic, p, l)
			}
			if before, again := reached[window]; again && at <= before && o.ExactlyOnce {
				return fmt.Errorf("%s, partition %d: %s comes after %s", topic, p, l, want[p][before])
			}
			reached[window] = max(at, reached[window])
		}
		for window, l := range last {
			if at, ok := reached[window]; !ok || want[p][at] != l {
				return fmt.Errorf("%s, partition %d: the last result of a window is missing: %s", topic, p, l)
			}
		}
	}
	return nil
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
