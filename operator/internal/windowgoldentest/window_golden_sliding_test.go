package windowgoldentest_test

import (
	"maps"
	"slices"
)

// slidingExact is the required model of section 3.8.
func (m *goldenModel) slidingExact(key string, r modelValue) {
	c := m.c
	reached := max(r.t, m.latest[key])
	open := reached - c.Grace
	if r.t < open-c.Size {
		m.late(key, r, open-r.t, max(0, r.t-c.Size), r.t)
		return
	}
	m.latest[key] = reached
	m.items[key] = append(m.items[key], r)
	if r.t < open {
		m.late(key, r, open-r.t, max(0, r.t-c.Size), r.t)
		m.closed[key][r.t] = true
	}
	ends := map[int64]bool{}
	for _, x := range m.items[key] {
		ends[x.t] = true
	}
	for _, end := range slices.Sorted(maps.Keys(ends)) {
		var records []modelValue // in the order of arrival
		for _, x := range m.items[key] {
			if end-c.Size <= x.t && x.t <= end {
				records = append(records, x)
			}
		}
		items := m.between(key, end-c.Size, end)
		if c.Agg == "reduce" {
			records = items // texts are joined by time
		}
		isClosing := end < open && !m.closed[key][end]
		m.closed[key][end] = m.closed[key][end] || isClosing
		if c.Mode == "final" && isClosing || c.Mode == "current" && end >= open && r.t <= end && end <= r.t+c.Size {
			m.emit(key, max(0, end-c.Size), end, records, items)
		}
	}
}

// sliding is W-57. It returns false where the original fails.
func (m *goldenModel) sliding(key string, r modelValue) bool {
	c, windows, size := m.c, m.windows[key], m.c.Size
	latest := max(r.t, m.latest[key])
	watermark := latest - c.Grace
	closed := watermark - 1 - size
	deleteUpTo := closed - size
	own := max(0, r.t-size)
	if r.t <= closed {
		m.late(key, r, watermark-r.t, own, r.t)
		return true
	}
	if r.t == 0 {
		return false // W-59
	}
	m.latest[key] = latest
	var walk []int64
	for id := range windows {
		if start, _ := slidingBounds(id); max(0, own-size) <= start && start <= r.t+1 {
			walk = append(walk, id)
		}
	}
	slices.Sort(walk)
	slices.Reverse(walk)
	starts := map[int64]bool{own: true}
	with := func(records []modelValue) []modelValue { return append(slices.Clone(records), r) }
	put := func(start, end, last int64, records []modelValue) (id int64) {
		id = slidingID(start, end)
		windows[id] = &modelWindow{last: last, records: records}
		return id
	}
	var updated []int64
	hasRight, stopped := false, false
	for _, id := range walk {
		w := windows[id]
		start, end := slidingBounds(id)
		starts[start] = true
		switch {
		case start == r.t+1:
			hasRight = true
			continue
		case end > r.t:
			if !hasRight && w.last > r.t {
				put(r.t+1, r.t+1+size, w.last, w.records)
				hasRight = true
			}
			if start <= closed {
				m.late(key, r, watermark-r.t, start, end)
				continue
			}
			put(start, end, max(w.last, r.t), with(w.records))
			if end == max(w.last, r.t) {
				updated = append(updated, id)
			}
			continue
		case end == r.t:
			if w.last < r.t && !starts[w.last+1] {
				put(w.last+1, w.last+1+size, r.t, with(nil))
			}
			if start > closed {
				updated = append(updated, put(start, end, r.t, with(w.records)))
			} else {
				m.late(key, r, watermark-r.t, start, end)
			}
		default:
			if !starts[w.last+1] && w.last+1+size >= r.t {
				put(w.last+1, w.last+1+size, r.t, with(nil))
			}
			var before []modelValue
			if w.last >= own {
				before = w.records
			}
			updated = append(updated, put(own, r.t, r.t, with(before)))
			deleteUpTo = min(start-1, closed)
		}
		stopped = true
		break
	}
	if !stopped && own > closed {
		updated = append(updated, put(own, r.t, r.t, with(nil)))
	}
	m.items[key] = append(m.items[key], r)
	result := func(id int64) {
		start, end := slidingBounds(id)
		m.emit(key, start, end, windows[id].records, m.between(key, start, end))
	}
	expired := m.expired[key]
	for _, id := range slices.Sorted(maps.Keys(windows)) {
		start, end := slidingBounds(id)
		if start > expired && start <= closed {
			m.expired[key] = start
			if c.Mode == "final" && end == windows[id].last {
				result(id)
			}
		}
	}
	if c.Mode == "current" {
		slices.Reverse(updated)
		for _, id := range updated {
			result(id)
		}
	}
	maps.DeleteFunc(windows, func(id int64, _ *modelWindow) bool {
		start, _ := slidingBounds(id)
		return start <= deleteUpTo
	})
	return true
}

// slidingID tells sliding windows apart, several of which can begin at 0, and sorts them by start and then by end.
func slidingID(start, end int64) int64 { return start<<20 | end }

func slidingBounds(id int64) (start, end int64) { return id >> 20, id & (1<<20 - 1) }
