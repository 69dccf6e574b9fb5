package windowgoldentest_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"
)

// goldenRules are the differences that are meant, each on its own. Without any, goldenWindows is Quix Streams 3.28.1, whose
// rules the numbers of its specification name (W-31 and so on); with all, it is Weir.
type goldenRules struct {
	leaveOutNulls   bool // from collected values
	watermark       bool // by partition, time is the greatest of a record, and every window that it has passed closes (W-40 to W-44)
	exactSliding    bool // sliding windows are exact near the watermark and at time 0 (W-59, W-60)
	inclusiveEnd    bool // the end of a session is its last record, not a millisecond later (W-82)
	byEnd           bool // windows that close by partition come by their end, then by key
	everyTimeCounts bool // a record whose windows its triggers close moves the time of its key as well (W-32)
	askNotEmpty     bool // CloseBefore is not asked about a window without records, nor before a null value (W-45)
	carry           bool // the value that makes CloseBefore close a window is kept (W-45)
	emitTriggered   bool // Current emits the result with which CloseAfter closes a window (W-50)
}

// modelValue is a record in a window of the model.
type modelValue struct {
	value *int64
	t     int64
}

// goldenModel keeps all records of each window: the most obvious form of the state of Quix Streams.
type goldenModel struct {
	c       *goldenCase
	rules   goldenRules
	run     goldenRun
	failed  int // the input that the recording ends with, or -1
	windows map[string]map[int64]*modelWindow
	items   map[string][]modelValue // collected
	latest  map[string]int64
	expired map[string]int64 // the start of the last window that was closed
	closed  map[string]map[int64]bool
	counted map[string][][]modelValue
	reached int64 // of the partition
	step    int64 // the end of the last closed step of the partition
}

type modelWindow struct {
	last    int64 // the greatest time
	records []modelValue
}

func goldenWindows(t *testing.T, c *goldenCase, rules goldenRules) *goldenModel {
	t.Helper()
	m := &goldenModel{
		c: c, rules: rules, failed: -1, windows: map[string]map[int64]*modelWindow{}, items: map[string][]modelValue{},
		latest: map[string]int64{}, expired: map[string]int64{}, closed: map[string]map[int64]bool{},
		counted: map[string][][]modelValue{},
	}
	for i, in := range c.Inputs {
		if in.Key == nil {
			continue
		}
		m.run.i = i
		key, r := *in.Key, modelValue{in.Value, in.Time}
		if m.windows[key] == nil {
			m.windows[key], m.closed[key] = map[int64]*modelWindow{}, map[int64]bool{}
			m.expired[key] = -1
		}
		ok := true
		switch {
		case c.Kind == "session":
			m.session(key, r)
		case c.Kind == "sliding" && rules.exactSliding:
			m.slidingExact(key, r)
		case c.Kind == "sliding":
			ok = m.sliding(key, r)
		case c.Kind == "tumbling" || c.Kind == "hopping":
			ok = m.fixed(key, r)
		default:
			m.byCount(key, r)
		}
		if !ok {
			m.failed = i
			break
		}
	}
	return m
}

// emit emits a result of a window.
func (m *goldenModel) emit(key string, start, end int64, records []modelValue, items []modelValue) {
	m.run.outputs = append(m.run.outputs, goldenOutput{
		I: m.run.i, Key: key, Time: start, Start: start, End: end, Value: m.aggregate(records, items),
	})
}

func (m *goldenModel) late(key string, r modelValue, by, start, end int64) {
	m.run.late = append(m.run.late, goldenLate{I: m.run.i, Key: key, Value: r.value, Time: r.t, By: by, Start: start, End: end})
}

// between returns the collected items with from <= t <= to, by time and then by arrival.
func (m *goldenModel) between(key string, from, to int64) (items []modelValue) {
	for _, r := range m.items[key] {
		if from <= r.t && r.t <= to {
			items = append(items, r)
		}
	}
	slices.SortStableFunc(items, func(a, b modelValue) int { return cmp.Compare(a.t, b.t) })
	return items
}

// fixed is W-31 and W-40, for tumbling and hopping windows, with triggers (W-45 to W-51). It returns false where the original
// fails.
func (m *goldenModel) fixed(key string, r modelValue) bool {
	c, windows := m.c, m.windows[key]
	size, step := c.Size, cmp.Or(c.Step, c.Size)
	byPartition := c.Strategy == "partition"
	latest := max(r.t, m.latest[key])
	if byPartition {
		latest = max(r.t, m.step)
		if m.rules.watermark {
			latest = max(r.t, m.reached)
		}
	}
	var starts []int64
	for start := r.t - r.t%step; start > r.t-size && start >= 0; start -= step {
		starts = append([]int64{start}, starts...)
	}
	m.items[key] = append(m.items[key], r)
	result := func(key string, start int64, records []modelValue) {
		m.emit(key, start, start+size, records, m.between(key, start, start+size-1))
	}
	type closing struct {
		start   int64
		records []modelValue
	}
	var updated, triggered []closing
	for _, start := range starts {
		if start+size+c.Grace <= latest {
			m.late(key, r, latest-c.Grace-r.t, start, start+size)
			continue
		}
		if m.rules.everyTimeCounts {
			m.latest[key] = latest
		}
		w := windows[start]
		var records []modelValue
		if w != nil {
			records = w.records
		}
		isAsked := !m.rules.askNotEmpty || w != nil && r.value != nil
		if c.Trigger == "before" && isAsked && sumOf(append(slices.Clone(records), r)) > c.Threshold {
			triggered = append(triggered, closing{start, records})
			delete(windows, start)
			if !m.rules.carry {
				continue
			}
			records = nil
		}
		records = append(slices.Clone(records), r)
		if c.Trigger == "after" && sumOf(records) >= c.Threshold {
			if m.rules.emitTriggered {
				updated = append(updated, closing{start, records})
			}
			triggered = append(triggered, closing{start, records})
			delete(windows, start)
			continue
		}
		windows[start] = &modelWindow{records: records}
		updated = append(updated, closing{start, records})
		m.latest[key] = latest
	}
	m.reached = max(m.reached, latest)
	final := func(key string, start int64) {
		if c.Mode == "final" {
			result(key, start, m.windows[key][start].records)
		}
		delete(m.windows[key], start)
	}
	switch {
	case !byPartition:
		for _, start := range slices.Sorted(maps.Keys(windows)) {
			if start+size+c.Grace <= latest && start > m.expired[key] {
				m.expired[key] = start
				final(key, start)
			}
		}
	case m.rules.watermark:
		m.closeAll(func(_ string, start int64) (int64, bool) { return start + size, start+size+c.Grace <= latest }, final)
	default:
		limit := latest - c.Grace
		if m.step == 0 {
			m.step = limit - ((limit%step)+step)%step
			m.closeAll(func(_ string, start int64) (int64, bool) { return start + size, start+size <= m.step }, final)
			break
		}
		ends := map[int64]bool{}
		last := m.step
		for end := m.step + step; end <= limit; end += step {
			if end < 0 {
				return false // "int too large to convert"
			}
			ends[end], last = true, end
		}
		m.closeAll(func(_ string, start int64) (int64, bool) { return start + size, ends[start+size] }, final)
		m.step = last
	}
	changed := triggered
	if c.Mode == "current" {
		changed = updated
	}
	for _, x := range changed {
		result(key, x.start, x.records)
	}
	return true
}

// closeAll closes windows of all keys: by end and then by key, or by key and then by start.
func (m *goldenModel) closeAll(isDue func(key string, start int64) (end int64, due bool), closes func(key string, start int64)) {
	type due struct {
		key        string
		start, end int64
	}
	var all []due
	for _, key := range slices.Sorted(maps.Keys(m.windows)) {
		for _, start := range slices.Sorted(maps.Keys(m.windows[key])) {
			if end, ok := isDue(key, start); ok {
				all = append(all, due{key, start, end})
			}
		}
	}
	if m.rules.byEnd {
		slices.SortStableFunc(all, func(a, b due) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.key, b.key)) })
	}
	for _, d := range all {
		closes(d.key, d.start)
	}
}

// session is W-83 and W-84.
func (m *goldenModel) session(key string, r modelValue) {
	c, windows, gap := m.c, m.windows[key], m.c.Size
	reached := max(r.t, m.latest[key])
	if c.Strategy == "partition" {
		reached = max(reached, m.reached)
		m.reached = reached
	}
	end := func(last int64) int64 {
		if m.rules.inclusiveEnd {
			return last
		}
		return last + 1
	}
	if bound := reached - gap - c.Grace; r.t < bound {
		m.late(key, r, bound-r.t, r.t, end(r.t))
		return
	}
	m.latest[key] = max(m.latest[key], r.t)
	m.items[key] = append(m.items[key], r)
	joined, start := &modelWindow{last: r.t, records: []modelValue{r}}, r.t
	isFirst := true
	for _, at := range slices.Sorted(maps.Keys(windows)) {
		w := windows[at]
		if at-gap > r.t || r.t > w.last+gap {
			continue
		}
		if isFirst {
			joined = &modelWindow{last: max(w.last, r.t), records: append(slices.Clone(w.records), r)}
		} else {
			joined.last, joined.records = max(joined.last, w.last), append(joined.records, w.records...)
		}
		isFirst, start = false, min(start, at)
		delete(windows, at)
	}
	windows[start] = joined
	result := func(key string, start int64, w *modelWindow) {
		m.emit(key, start, end(w.last), w.records, m.between(key, start, w.last))
	}
	if c.Mode == "current" {
		result(key, start, joined)
	}
	m.closeAll(func(k string, start int64) (int64, bool) {
		last := m.windows[k][start].last
		return last, last+2*gap+c.Grace < reached && (k == key || c.Strategy == "partition")
	}, func(key string, start int64) {
		if c.Mode == "final" {
			result(key, start, m.windows[key][start])
		}
		delete(m.windows[key], start)
	})
}

// byCount is W-61.
func (m *goldenModel) byCount(key string, r modelValue) {
	list := m.counted[key]
	step := int(m.c.Step)
	if m.c.Kind == "sliding_count" {
		step = 1
	}
	if len(list) == 0 || step > 0 && len(list[0])%step == 0 {
		list = append(list, nil)
	}
	isFull := false
	for i := range list {
		list[i] = append(list[i], r)
		isFull = isFull || len(list[i]) >= int(m.c.Size)
		if m.c.Mode == "current" || len(list[i]) >= int(m.c.Size) {
			byTime := func(a, b modelValue) int { return cmp.Compare(a.t, b.t) }
			m.emit(key, slices.MinFunc(list[i], byTime).t, slices.MaxFunc(list[i], byTime).t, list[i], list[i])
		}
	}
	if isFull {
		list = list[1:]
	}
	m.counted[key] = list
}
