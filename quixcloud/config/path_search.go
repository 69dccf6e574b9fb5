package config

import "github.com/weirstreams/weir/row"

// search is the evaluation of a path. When its budget is used up it goes on, finds nothing any more, and so ends soon.
type search struct {
	root row.Value
	left int // of the budget; negative once it was exceeded
	// absolute has the values of paths in filters that begin at the root, which are the same for each element.
	absolute map[*subpath][]row.Value
}

// spend reports whether the budget allows work: one unit takes about 0.1 us.
func (s *search) spend(n int) bool {
	if s.left < 0 {
		return false
	}
	s.left -= n
	return s.left >= 0
}

// follow returns the values at the end of segments.
func (s *search) follow(from []row.Value, segments []segment) []row.Value {
	for _, g := range segments {
		if g.descend {
			var all []row.Value
			for _, v := range from {
				all = s.descend(all, v)
			}
			from = all
		}
		var next []row.Value
		for _, v := range from {
			for _, selector := range g.selectors {
				if !s.spend(1) {
					return nil
				}
				next = selector.choose(s, next, v)
			}
		}
		from = next
	}
	return from
}

// descend appends a container and all containers in it, each before its own elements.
func (s *search) descend(to []row.Value, v row.Value) []row.Value {
	if v.Kind() != row.KindRow && v.Kind() != row.KindList || !s.spend(1) {
		return to
	}
	to = append(to, v)
	for e := range s.elements(v) {
		to = s.descend(to, e)
	}
	return to
}

// elements yields the elements of a list, or the values of the columns of a row, as long as the budget lasts.
func (s *search) elements(v row.Value) func(func(row.Value) bool) {
	return func(yield func(row.Value) bool) {
		switch v.Kind() {
		case row.KindRow:
			r, _ := row.As[row.Row](v)
			for _, e := range r.All() {
				if !s.spend(1) || !yield(e) {
					return
				}
			}
		case row.KindList:
			list, _ := row.As[[]row.Value](v)
			for _, e := range list {
				if !s.spend(1) || !yield(e) {
					return
				}
			}
		}
	}
}

// named selects a column.
type named string

// columnsPerUnit is how many columns of a row are looked through in one unit of work.
const columnsPerUnit = 16

func (n named) choose(s *search, to []row.Value, from row.Value) []row.Value {
	if from.Kind() != row.KindRow {
		return to
	}
	r, _ := row.As[row.Row](from)
	if !s.spend(r.Len() / columnsPerUnit) {
		return to
	}
	if v, ok := r.Lookup(string(n)); ok {
		to = append(to, v)
	}
	return to
}

// indexed selects an element.
type indexed int

func (i indexed) choose(_ *search, to []row.Value, from row.Value) []row.Value {
	if from.Kind() != row.KindList {
		return to
	}
	list, _ := row.As[[]row.Value](from)
	at := int(i)
	if at < 0 {
		at += len(list)
	}
	if at >= 0 && at < len(list) {
		to = append(to, list[at])
	}
	return to
}

// all selects everything in a container.
type all struct{}

func (all) choose(s *search, to []row.Value, from row.Value) []row.Value {
	for v := range s.elements(from) {
		to = append(to, v)
	}
	return to
}

// slice selects elements from one index to another. Bounds that are nil are the ends.
type slice struct {
	from, to *int
	step     int
}

func (c slice) choose(s *search, to []row.Value, from row.Value) []row.Value {
	if from.Kind() != row.KindList || c.step == 0 {
		return to
	}
	list, _ := row.As[[]row.Value](from)
	n := len(list)
	lowest, highest := 0, n // where an index is cut off
	first, end := 0, n
	if c.step < 0 {
		lowest, highest = -1, n-1
		first, end = n-1, -1
	}
	bound := func(i *int, otherwise int) int {
		switch {
		case i == nil:
			return otherwise
		case *i < 0:
			return max(*i+n, lowest)
		}
		return min(*i, highest)
	}
	first, end = bound(c.from, first), bound(c.to, end)
	// A step larger than the list takes one element, and must not overflow.
	step := max(min(c.step, n), -n)
	for i := first; (step > 0 && i < end || step < 0 && i > end) && s.spend(1); i += step {
		to = append(to, list[i])
	}
	return to
}

// filtered selects the elements that meet a condition.
type filtered struct{ condition condition }

func (f filtered) choose(s *search, to []row.Value, from row.Value) []row.Value {
	for v := range s.elements(from) {
		if f.condition.holds(s, v) {
			to = append(to, v)
		}
	}
	return to
}
