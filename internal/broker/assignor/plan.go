package assignor

import (
	"maps"
	"math"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
)

// nobody is the member of a slot that has none.
const nobody = -1

// planner decides where slots belong, whether or not they can go there already.
type planner struct {
	ids        []string // of members, sorted; everywhere else a member is an index
	members    []Subscription
	partitions map[string]int32
	claims     claims
	families   []*family
	load       []int
	grants     []grant
}

// grant gives partitions of one slot to a member.
type grant struct {
	member     int
	partitions []broker.TopicPartition
}

// family is a unit, or several that have topics in common because members disagree about them.
type family struct {
	topics []string     // sorted
	units  [][][]string // by member
	able   []int        // members that have a unit
	owner  []int        // by partition number
	warm   [][]int      // by partition number: members with its state, but for the owner
	quota  []int        // by member
}

func newPlanner(members map[string]Subscription, partitions map[string]int32) *planner {
	p := &planner{ids: slices.Sorted(maps.Keys(members)), partitions: partitions, claims: claimsOf(members)}
	for _, id := range p.ids {
		p.members = append(p.members, members[id])
	}
	p.load = make([]int, len(p.ids))
	p.gather()
	return p
}

// gather finds the families, and the members that can process, own and have the state of their slots.
func (p *planner) gather() {
	parent := map[string]string{}
	var root func(string) string
	root = func(topic string) string {
		if parent[topic] == "" || parent[topic] == topic {
			parent[topic] = topic
			return topic
		}
		parent[topic] = root(parent[topic])
		return parent[topic]
	}
	for _, m := range p.members {
		for _, unit := range m.Units {
			for _, topic := range unit {
				a, b := root(unit[0]), root(topic)
				parent[max(a, b)] = min(a, b)
			}
		}
	}
	byRoot := map[string]*family{}
	for _, topic := range slices.Sorted(maps.Keys(parent)) {
		f := byRoot[root(topic)]
		if f == nil {
			f = &family{units: make([][][]string, len(p.ids)), quota: make([]int, len(p.ids))}
			byRoot[root(topic)] = f
			p.families = append(p.families, f)
		}
		f.topics = append(f.topics, topic)
	}
	for i, m := range p.members {
		for _, unit := range m.Units {
			if len(unit) == 0 {
				continue
			}
			f := byRoot[root(unit[0])]
			if f.units[i] == nil {
				f.able = append(f.able, i)
			}
			f.units[i] = append(f.units[i], slices.Compact(slices.Sorted(slices.Values(unit))))
		}
	}
	for _, f := range p.families {
		p.locate(f)
	}
	for i, m := range p.members {
		for _, tp := range m.Warm {
			if parent[tp.Topic] == "" {
				continue
			}
			f := byRoot[root(tp.Topic)]
			if n := tp.Partition; n >= 0 && int(n) < len(f.warm) && f.owner[n] != i && f.units[i] != nil && !slices.Contains(f.warm[n], i) {
				f.warm[n] = append(f.warm[n], i)
			}
		}
	}
}

// locate finds the owners of a family's slots: the member with most of the partitions, or the first of several.
func (p *planner) locate(f *family) {
	slots := int32(0)
	for _, topic := range f.topics {
		slots = max(slots, p.partitions[topic])
	}
	f.owner = make([]int, slots)
	f.warm = make([][]int, slots)
	have := make([]int, len(p.ids))
	for n := range slots {
		clear(have)
		f.owner[n] = nobody
		for _, tp := range p.slot(f.topics, n) {
			i, ok := slices.BinarySearch(p.ids, p.claims.owner(tp))
			if !ok || f.units[i] == nil {
				continue
			}
			have[i]++
			if o := f.owner[n]; o == nobody || have[i] > have[o] || have[i] == have[o] && i < o {
				f.owner[n] = i
			}
		}
	}
}

// slot returns the partitions with number n that topics have.
func (p *planner) slot(topics []string, n int32) []broker.TopicPartition {
	var tps []broker.TopicPartition
	for _, topic := range topics {
		if n < p.partitions[topic] {
			tps = append(tps, broker.TopicPartition{Topic: topic, Partition: n})
		}
	}
	return tps
}

func (p *planner) assign() {
	for _, f := range p.families {
		if f.mixed() {
			p.assignMixed(f)
		}
	}
	p.quotas()
	for _, f := range p.families {
		if f.mixed() {
			continue
		}
		for n, i := range p.place(f) {
			if i != nobody {
				p.grant(i, p.slot(f.topics, int32(n)))
			}
		}
	}
}

func (p *planner) grant(member int, tps []broker.TopicPartition) {
	p.load[member]++
	p.grants = append(p.grants, grant{member, tps})
}

// mixed says that members disagree about the units of a family.
func (f *family) mixed() bool {
	return slices.ContainsFunc(f.able, func(i int) bool { return len(f.units[i]) != 1 || len(f.units[i][0]) < len(f.topics) })
}

// assignMixed assigns a family that members disagree about. That passes with the roll-out of the version that differs,
// so units that are owned as a whole stay where they are, even or not: a member that ends gives the others enough to
// become even with. A free unit goes to a member that owns a part of it, or has its state, or has the least load.
func (p *planner) assignMixed(f *family) {
	type offer struct {
		grant
		rank [3]int
	}
	for n := range int32(len(f.owner)) {
		rest := p.slot(f.topics, n)
		for len(rest) > 0 {
			var best *offer
			for _, i := range f.able {
				for _, unit := range f.units[i] {
					tps := p.slot(unit, n)
					if len(tps) == 0 || slices.ContainsFunc(tps, func(tp broker.TopicPartition) bool { return !slices.Contains(rest, tp) }) {
						continue
					}
					o := &offer{grant: grant{i, tps}}
					owned := 0
					for _, tp := range tps {
						if p.claims.owner(tp) == p.ids[i] {
							owned++
						}
					}
					switch {
					case owned == len(tps):
						o.rank[0] = -3
					case owned > 0:
						o.rank[0] = -2
					case slices.Contains(f.warm[n], i):
						o.rank[0] = -1
					}
					o.rank[1], o.rank[2] = p.load[i], -len(tps)
					if best == nil || slices.Compare(o.rank[:], best.rank[:]) < 0 {
						best = o
					}
				}
			}
			if best == nil {
				break
			}
			p.grant(best.member, best.partitions)
			rest = slices.DeleteFunc(rest, func(tp broker.TopicPartition) bool { return slices.Contains(best.partitions, tp) })
		}
	}
}

// quotas decides how many slots of each family each member gets. Everyone able gets the even share, rounded down. The
// remaining slots flow from the families to members, at most one each, and is the dearer the more a member has already; among
// equals a slot goes where it is, or its state.
func (p *planner) quotas() {
	const (
		evenness  = 1 << 20
		ownership = 2
		state     = 1
	)
	source, sink := 0, 1
	familyNode := func(u int) int { return 2 + u }
	memberNode := func(i int) int { return 2 + len(p.families) + i }
	flow := newNetwork(2 + len(p.families) + len(p.ids))
	total := slices.Clone(p.load)
	extras := make([]int, len(p.ids))
	edges := make([][]int, len(p.families))
	for u, f := range p.families {
		if len(f.able) == 0 || f.mixed() {
			continue
		}
		share, rest := len(f.owner)/len(f.able), len(f.owner)%len(f.able)
		owned, warm := f.counts(len(p.ids))
		flow.add(source, familyNode(u), rest, 0)
		for _, i := range f.able {
			f.quota[i] = share
			total[i] += share
			extras[i]++
			cost := int64(0)
			switch {
			case owned[i] > share:
				cost = -ownership
			case owned[i]+warm[i] > share:
				cost = -state
			}
			edges[u] = append(edges[u], flow.add(familyNode(u), memberNode(i), 1, cost))
		}
	}
	for i := range p.ids {
		for k := range extras[i] {
			flow.add(memberNode(i), sink, 1, int64(total[i]+k)*evenness)
		}
	}
	flow.run(source, sink, math.MaxInt64)
	for u, f := range p.families {
		for k, edge := range edges[u] {
			f.quota[f.able[k]] += flow.used(edge)
		}
	}
}

// counts returns how many slots members own, and how many that nobody owns they have the state of.
func (f *family) counts(members int) (owned, warm []int) {
	owned, warm = make([]int, members), make([]int, members)
	for n, o := range f.owner {
		if o != nobody {
			owned[o]++
			continue
		}
		for _, i := range f.warm[n] {
			warm[i]++
		}
	}
	return owned, warm
}

// place gives the slots of a family to members, within the quotas.
func (p *planner) place(f *family) []int {
	placed := make([]int, len(f.owner))
	left := slices.Clone(f.quota)
	owned, _ := f.counts(len(p.ids))
	var open []int // slots that may move
	for n, o := range f.owner {
		placed[n] = nobody
		switch {
		case o != nobody && owned[o] <= f.quota[o]:
			placed[n] = o
			left[o]--
		case o != nobody || len(f.warm[n]) > 0:
			open = append(open, n)
		}
	}
	p.placeOpen(f, open, placed, left)
	next := 0
	for n := range placed {
		if placed[n] != nobody || len(f.able) == 0 {
			continue
		}
		for left[f.able[next]] == 0 {
			next++
		}
		placed[n] = f.able[next]
		left[f.able[next]]--
	}
	return placed
}

// placeOpen gives as many slots as it can to their owners, and of the others as many as it can to members with state.
func (p *planner) placeOpen(f *family, open, placed, left []int) {
	const (
		ownership = 1 << 20
		state     = 1
	)
	if len(open) == 0 {
		return
	}
	source, sink := 0, 1
	memberNode := func(i int) int { return 2 + i }
	slotNode := func(k int) int { return 2 + len(p.ids) + k }
	flow := newNetwork(2 + len(p.ids) + len(open))
	type choice struct{ slot, member, edge int }
	var choices []choice
	for k, n := range open {
		flow.add(source, slotNode(k), 1, 0)
		if o := f.owner[n]; o != nobody {
			choices = append(choices, choice{n, o, flow.add(slotNode(k), memberNode(o), 1, -ownership)})
		}
		for _, i := range f.warm[n] {
			choices = append(choices, choice{n, i, flow.add(slotNode(k), memberNode(i), 1, -state)})
		}
	}
	for _, i := range f.able {
		flow.add(memberNode(i), sink, left[i], 0)
	}
	flow.run(source, sink, 0)
	for _, c := range choices {
		if flow.used(c.edge) > 0 {
			placed[c.slot] = c.member
			left[c.member]--
		}
	}
}
