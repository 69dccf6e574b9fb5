package sim_test

import (
	"cmp"
	"slices"

	"github.com/weirstreams/weir/testkit/sim"
)

// pair is what a join makes of two orders, of which one may be missing.
func pair(l, r *input) order {
	var o order
	if l != nil {
		o.ID, o.Shop = 1000*l.ID, l.Shop
	}
	if r != nil {
		o.ID, o.Amount = o.ID+r.ID, r.Amount
	}
	return o
}

// asOfModel joins each left record with a right record of its key: the latest that is not after it, or the earliest that is not
// before it. Right records do not count that are older than the latest of their key by more than the grace period.
type asOfModel struct {
	backward, forward, duplicates bool
	grace, tolerance              int64
	emit                          func(l input, r *input) (line string, ok bool)
}

func (m asOfModel) fold(records []input) (lines []string) {
	var rights, waiting []input
	reached := int64(-1 << 40)
	latest := func(key string) int64 {
		at := int64(-1 << 40)
		for _, r := range rights {
			if r.key == key {
				at = max(at, r.at)
			}
		}
		return at
	}
	match := func(l input) (best *input, known bool) {
		var before, after *input
		for _, r := range rights {
			switch {
			case r.key != l.key || r.at < latest(l.key)-m.grace:
			case r.at <= l.at && (before == nil || r.at >= before.at): // of one time the one that came last
				before = &r
			}
			switch {
			case r.key != l.key || r.at < latest(l.key)-m.grace:
			case r.at >= l.at && (after == nil || r.at < after.at): // of one time the one that came first
				after = &r
			}
		}
		if !m.backward {
			before = nil
		}
		known = !m.forward || after != nil || before != nil && before.at == l.at
		if before != nil && l.at-before.at > m.tolerance {
			before = nil
		}
		if !m.forward || after != nil && after.at-l.at > m.tolerance {
			after = nil
		}
		switch {
		case before == nil:
			return after, known
		case after == nil || l.at-before.at <= after.at-l.at:
			return before, known
		}
		return after, known
	}
	release := func(due func(l input) bool) {
		slices.SortStableFunc(waiting, func(a, b input) int { return cmp.Compare(a.at, b.at) })
		waiting = slices.DeleteFunc(waiting, func(l input) bool {
			if !due(l) {
				return false
			}
			best, _ := match(l)
			if line, ok := m.emit(l, best); ok {
				lines = append(lines, line)
			}
			return true
		})
	}
	for _, r := range records {
		reached = max(reached, r.at)
		for { // the key with the earliest record comes first, with all of its records that wait for nothing any more
			over := slices.DeleteFunc(slices.Clone(waiting), func(l input) bool { return l.at+m.tolerance >= reached })
			if len(over) == 0 {
				break
			}
			key := slices.MinFunc(over, func(a, b input) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key)) }).key
			release(func(l input) bool { return l.key == key && l.at+m.tolerance < reached })
		}
		if r.Topic == "orders" {
			waiting = append(waiting, r)
			if _, known := match(r); known || r.at+m.tolerance < reached {
				release(func(l input) bool { return l.Processed.Topic == r.Topic && l.Offset == r.Offset })
			}
			continue
		}
		if r.at < latest(r.key)-m.grace {
			continue
		}
		same := slices.IndexFunc(rights, func(other input) bool { return other.key == r.key && other.at == r.at })
		if same >= 0 && !m.duplicates {
			rights[same] = r
		} else {
			rights = append(rights, r)
		}
		release(func(l input) bool { return l.key == r.key && l.at <= r.at })
	}
	return lines
}

const unlimited = 1 << 50

func checkJoin(o sim.Outcome, from, topic string, fold func([]input) []string) error {
	var want [][]string
	for _, task := range inputsOf(o, from) {
		want = append(want, fold(task))
	}
	return compareOutput(o, topic, want, true)
}

func leftOrder(l input, r *input) (string, bool) { return output(l.key, pair(&l, r), l.at), true }

func checkAsOfJoin(o sim.Outcome) error {
	err := checkJoin(o, "orders", "out", asOfModel{backward: true, grace: 40, tolerance: unlimited, emit: leftOrder}.fold)
	if err != nil {
		return err
	}
	return checkJoin(o, "orders", "lines", asOfModel{
		backward: true, duplicates: true, grace: 40, tolerance: 10,
		emit: func(l input, r *input) (string, bool) {
			if r == nil {
				return "", false
			}
			return output(l.key, line{ID: 1000*l.ID + r.ID, Origin: l.Topic, Offset: l.Offset}, l.at), true
		},
	}.fold)
}

func checkNearestJoin(o sim.Outcome) error {
	err := checkJoin(o, "orders", "out", asOfModel{backward: true, forward: true, grace: 40, tolerance: 8, emit: leftOrder}.fold)
	if err != nil {
		return err
	}
	return checkJoin(o, "orders", "lines", asOfModel{
		forward: true, grace: 40, tolerance: 8,
		emit: func(l input, r *input) (string, bool) {
			if r == nil {
				return "", false
			}
			return output(l.key, line{ID: 1000*l.ID + r.ID}, l.at), true
		},
	}.fold)
}

// waitingModel joins each left record with the latest right record of its key that is not after it or, if nearest is set, with the one that is
// nearest. One without a match waits for one, and so does one that a later right record may be nearer to. All that waits in the end is
// emitted as it is. If most records of a key wait, the one that came first makes room.
type waitingModel struct {
	nearest          bool
	grace, tolerance int64
	most             int
	emit             func(l input, r *input) (line string, ok bool)
}

// match returns the best of some right records of the key, and whether a later one may be nearer.
func (m waitingModel) match(l input, rights []input) (best *input, later bool) {
	latest := int64(-1 << 40)
	for _, r := range rights {
		if r.key == l.key {
			latest = max(latest, r.at)
		}
	}
	for _, r := range rights {
		distance := max(l.at-r.at, r.at-l.at)
		if r.key != l.key || r.at < latest-m.grace || distance > m.tolerance || !m.nearest && r.at > l.at {
			continue
		}
		if best == nil {
			best = &r
			continue
		}
		was := max(l.at-best.at, best.at-l.at)
		if distance < was || distance == was && r.at <= l.at {
			best = &r
		}
	}
	return best, m.nearest && latest < l.at
}

func (m waitingModel) fold(records []input) (lines []string) {
	var rights, waiting []input
	out := func(l input) {
		best, _ := m.match(l, rights)
		if line, ok := m.emit(l, best); ok {
			lines = append(lines, line)
		}
	}
	waits := func(l input) bool {
		best, later := m.match(l, rights)
		return best == nil || later
	}
	for _, r := range records {
		switch {
		case r.Topic == "orders" && waits(r):
			of := slices.DeleteFunc(slices.Clone(waiting), func(l input) bool { return l.key != r.key })
			if len(of) == m.most {
				out(of[0])
				i := slices.IndexFunc(waiting, func(l input) bool { return l.key == r.key })
				waiting = slices.Delete(waiting, i, i+1)
			}
			waiting = append(waiting, r)
		case r.Topic == "orders":
			out(r)
		default:
			rights = slices.DeleteFunc(rights, func(other input) bool { return other.key == r.key && other.at == r.at })
			rights = append(rights, r) // of those that are too old match takes none
			waiting = slices.DeleteFunc(waiting, func(l input) bool {
				if l.key != r.key || waits(l) {
					return false
				}
				out(l)
				return true
			})
		}
	}
	for _, l := range waiting {
		out(l)
	}
	return lines
}

func checkWaitingAsOfJoins(o sim.Outcome) error {
	for topic, m := range map[string]waitingModel{
		"out": {grace: 40, tolerance: 10, most: unlimited, emit: leftOrder},
		"lines": {nearest: true, grace: 40, tolerance: unlimited, most: 3, emit: func(l input, r *input) (string, bool) {
			if r == nil {
				return "", false
			}
			return output(l.key, line{ID: 1000*l.ID + r.ID}, l.at), true
		}},
	} {
		var want []string
		for _, task := range inputsOf(o, "orders") {
			want = append(want, m.fold(task)...)
		}
		if err := compareSets(o, topic, want, true); err != nil {
			return err
		}
	}
	return nil
}

// intervalModel joins each record with all records of the other side whose right time is from before its left time to after it. Each
// is kept until no record that is not late can match it: until the time that was reached is later by more than the grace period and
// the greater bound. Records that are later than the grace period are joined, and not kept. final says that records without a partner come when they are not kept any more, else they come at once.
type intervalModel struct {
	before, after, grace int64
	right, final         bool // right says that right records without a partner come too
	self, inner          bool // self says that each record is on both sides, the right one first
	emit                 func(l, r *input) any
}

func (m intervalModel) fold(records []input) (lines []string) {
	type kept struct {
		input
		right, matched bool
	}
	var all []*kept
	reached, keep := int64(-1<<40), m.grace+max(m.before, m.after)
	alone := func(k *kept) {
		switch {
		case m.inner:
		case !k.right:
			lines = append(lines, output(k.key, m.emit(&k.input, nil), k.at))
		case m.right:
			lines = append(lines, output(k.key, m.emit(nil, &k.input), k.at))
		}
	}
	for _, r := range records {
		reached = max(reached, r.at)
		for _, right := range []bool{false, true} {
			for { // the key with the earliest record comes first
				var first *kept
				for _, k := range all {
					if k.right == right && k.at+keep < reached && (first == nil || cmp.Or(cmp.Compare(k.at, first.at), cmp.Compare(k.key, first.key)) < 0) {
						first = k
					}
				}
				if first == nil {
					break
				}
				all = slices.DeleteFunc(all, func(k *kept) bool {
					gone := k.right == right && k.key == first.key && k.at+keep < reached
					if gone && m.final && !k.matched {
						alone(k)
					}
					return gone
				})
			}
		}
		sides := []bool{r.Topic != "repartition__sim--orders--shop"}
		if m.self {
			sides = []bool{true, false}
		}
		for _, side := range sides {
			k := &kept{input: r, right: side}
			for _, other := range all {
				left, right := k, other
				if k.right {
					left, right = other, k
				}
				if other.key != k.key || other.right == k.right || right.at < left.at-m.before || right.at > left.at+m.after {
					continue
				}
				left.matched, right.matched = true, true
				lines = append(lines, output(r.key, m.emit(&left.input, &right.input), r.at))
			}
			late := r.at+m.grace < reached
			if !k.matched && (!m.final || late) {
				alone(k)
			}
			if !late {
				all = append(all, k)
				slices.SortStableFunc(all, func(a, b *kept) int { return cmp.Compare(a.at, b.at) })
			}
		}
	}
	return lines
}

func checkSelfJoin(o sim.Outcome) error {
	m := intervalModel{before: 4, grace: 10, self: true, inner: true, emit: func(l, r *input) any { return pair(l, r) }}
	return checkJoin(o, "orders", "out", m.fold)
}

func checkIntervalJoin(o sim.Outcome) error {
	const shops = "repartition__sim--orders--shop"
	both := intervalModel{before: 5, after: 3, grace: 20, right: true, final: true, emit: func(l, r *input) any { return pair(l, r) }}
	if err := checkJoin(o, shops, "out", both.fold); err != nil {
		return err
	}
	left := intervalModel{before: 5, after: 3, grace: 20, emit: func(l, r *input) any { return line{ID: pair(l, r).ID} }}
	return checkJoin(o, shops, "lines", left.fold)
}
