package assignor_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/assignor"
)

// tps makes partitions of a topic.
func tps(topic string, numbers ...int32) []broker.TopicPartition {
	var all []broker.TopicPartition
	for _, n := range numbers {
		all = append(all, broker.TopicPartition{Topic: topic, Partition: n})
	}
	return all
}

// member is a subscription to the unit of topic "a", by default.
func member(id string, generation int32, owned, warm []broker.TopicPartition, units ...[]string) assignor.Subscription {
	if len(units) == 0 {
		units = [][]string{{"a"}}
	}
	return assignor.Subscription{Units: units, MemberID: id, Generation: generation, Owned: owned, Warm: warm}
}

func TestAssign(t *testing.T) {
	type members = map[string]assignor.Subscription
	type assignment = map[string][]broker.TopicPartition
	unit, pair := []string{"a"}, []string{"a", "b"}
	four := map[string]int32{"a": 4}
	cases := []struct {
		name       string
		members    members
		partitions map[string]int32
		want       assignment
	}{
		{
			"a single member gets everything",
			members{"m": member("", -1, nil, nil)},
			four,
			assignment{"m": tps("a", 0, 1, 2, 3)},
		},
		{
			"a topic without partitions is no obstacle",
			members{"m": member("", -1, nil, nil, unit, []string{"b"})},
			four,
			assignment{"m": tps("a", 0, 1, 2, 3)},
		},
		{
			"topics of a unit go together, also if they are of unequal size",
			members{"m": member("", -1, nil, nil, pair), "n": member("", -1, nil, nil, pair)},
			map[string]int32{"a": 3, "b": 2},
			assignment{"m": append(tps("a", 0, 1), tps("b", 0, 1)...), "n": tps("a", 2)},
		},
		{
			"more members than partitions leave some without",
			members{"m": member("m", 1, tps("a", 0), nil), "n": member("", -1, nil, nil)},
			map[string]int32{"a": 1},
			assignment{"m": tps("a", 0), "n": nil},
		},
		{
			"a slot that moves is withheld",
			members{"m": member("m", 1, tps("a", 0, 1, 2, 3), nil), "n": member("", -1, nil, nil)},
			four,
			assignment{"m": tps("a", 0, 1), "n": nil},
		},
		{
			"and given once it is free",
			members{"m": member("m", 2, tps("a", 0, 1), nil), "n": member("n", 2, nil, nil)},
			four,
			assignment{"m": tps("a", 0, 1), "n": tps("a", 2, 3)},
		},
		{
			"what nobody owns goes where its state is",
			members{
				"m": member("m", 1, tps("a", 0), nil), "n": member("n", 1, tps("a", 1), tps("a", 2)),
				"o": member("o", 1, nil, tps("a", 3)),
			},
			map[string]int32{"a": 6},
			assignment{"m": tps("a", 0, 4), "n": tps("a", 1, 2), "o": tps("a", 3, 5)},
		},
		{
			"a member with state for two does not take what only it can take",
			members{"m": member("", -1, nil, tps("a", 0, 1)), "n": member("", -1, nil, tps("a", 0))},
			map[string]int32{"a": 2},
			assignment{"m": tps("a", 1), "n": tps("a", 0)},
		},
		{
			"an owner keeps what another has state for, if it can",
			members{"m": member("m", 1, tps("a", 0, 1), nil), "n": member("n", 1, tps("a", 2, 3), tps("a", 0, 1))},
			four,
			assignment{"m": tps("a", 0, 1), "n": tps("a", 2, 3)},
		},
		{
			"an owner of too many gives those that another has state for",
			members{"m": member("m", 1, tps("a", 0, 1, 2, 3), nil), "n": member("", -1, nil, tps("a", 0, 2))},
			four,
			assignment{"m": tps("a", 1, 3), "n": nil},
		},
		{
			"state does not outweigh even load",
			members{"m": member("", -1, nil, tps("a", 0, 1, 2, 3)), "n": member("", -1, nil, nil)},
			four,
			assignment{"m": tps("a", 0, 1), "n": tps("a", 2, 3)},
		},
		{
			"the latest generation wins",
			members{"m": member("m", 7, tps("a", 0, 1), nil), "n": member("n", 8, tps("a", 0, 1), nil)},
			map[string]int32{"a": 2},
			assignment{"m": nil, "n": tps("a", 0)},
		},
		{
			"nobody owns what two claim for one generation",
			members{"m": member("m", 7, tps("a", 0), nil), "n": member("n", 7, tps("a", 0), nil)},
			map[string]int32{"a": 2},
			assignment{"m": nil, "n": tps("a", 1)},
		},
		{
			"ownership under another member id is void",
			members{"m": member("former", 9, tps("a", 0, 1), nil), "n": member("n", 1, tps("a", 0), nil)},
			map[string]int32{"a": 2},
			assignment{"m": tps("a", 1), "n": tps("a", 0)},
		},
		{
			"new partitions are assigned at once",
			members{"m": member("m", 1, tps("a", 0), nil), "n": member("n", 1, tps("a", 1), nil)},
			four,
			assignment{"m": tps("a", 0, 2), "n": tps("a", 1, 3)},
		},
		{
			"partitions that are gone are given up",
			members{"m": member("m", 1, append(tps("a", 0, 9), tps("z", 1)...), nil)},
			map[string]int32{"a": 1},
			assignment{"m": tps("a", 0)},
		},
		{
			"a unit goes to those who subscribe to it",
			members{"m": member("", -1, nil, nil), "n": member("", -1, nil, nil, []string{"b"})},
			map[string]int32{"a": 2, "b": 2},
			assignment{"m": tps("a", 0, 1), "n": tps("b", 0, 1)},
		},
		{
			"a member that does not know a topic leaves it to others in whose view it belongs to no other",
			members{"m": member("", -1, nil, nil, pair), "n": member("", -1, nil, nil, unit, []string{"b"})},
			map[string]int32{"a": 2, "b": 2},
			assignment{"m": append(tps("a", 0), tps("b", 0)...), "n": append(tps("a", 1), tps("b", 1)...)},
		},
		{
			"a topic that would be apart from its unit has to wait",
			members{"m": member("", -1, nil, nil), "n": member("", -1, nil, nil, pair)},
			map[string]int32{"a": 2, "b": 2},
			assignment{"m": tps("a", 1), "n": append(tps("a", 0), tps("b", 0)...)},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := assignor.Assign(c.members, c.partitions)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// model is a group whose members act on assignments at once.
type model struct {
	members    map[string]assignor.Subscription
	partitions map[string]int32
	units      [][]string
	generation int32
	joined     int
}

// settle runs rounds until nobody gives up anything, and returns how many, and how often a slot changed its owner.
func (g *model) settle(t *testing.T) (rounds, moves int) {
	before := g.owners(t)
	for again := true; again; {
		if rounds++; rounds > 10 {
			t.Fatal("the assignment does not converge")
		}
		g.generation++
		assignment := assignor.Assign(g.members, g.partitions)
		again = false
		for id, m := range g.members {
			for _, tp := range m.Owned {
				again = again || !slices.Contains(assignment[id], tp)
			}
			m.MemberID, m.Generation, m.Owned = id, g.generation, assignment[id]
			m.Warm = append(m.Warm, assignment[id]...)
			g.members[id] = m
		}
		g.owners(t) // no partition has two
	}
	for tp, id := range g.owners(t) {
		if before[tp] != id {
			moves++
		}
	}
	return rounds, moves
}

func (g *model) owners(t *testing.T) map[broker.TopicPartition]string {
	owners := map[broker.TopicPartition]string{}
	for id, m := range g.members {
		for _, tp := range m.Owned {
			if other, ok := owners[tp]; ok {
				t.Fatalf("%s belongs to %s and %s", tp, id, other)
			}
			owners[tp] = id
		}
	}
	return owners
}

func (g *model) slots(unit []string) (slots int32) {
	for _, topic := range unit {
		slots = max(slots, g.partitions[topic])
	}
	return slots
}

// check fails if the assignment is not complete, whole and even.
func (g *model) check(t *testing.T) {
	t.Helper()
	owners := g.owners(t)
	total := map[string]int{}
	for _, unit := range g.units {
		count := map[string]int{}
		for n := range g.slots(unit) {
			slot := ""
			for _, topic := range unit {
				if n >= g.partitions[topic] {
					continue
				}
				id := owners[broker.TopicPartition{Topic: topic, Partition: n}]
				if id == "" || slot != "" && slot != id {
					t.Fatalf("%s[%d] belongs to %q, other topics of its unit to %q", topic, n, id, slot)
				}
				slot = id
			}
			count[slot]++
			total[slot]++
		}
		g.even(t, fmt.Sprint(unit), count)
	}
	g.even(t, "all units", total)
}

func (g *model) even(t *testing.T, what string, count map[string]int) {
	t.Helper()
	least, most := 1<<30, 0
	for id := range g.members {
		least, most = min(least, count[id]), max(most, count[id])
	}
	if most-least > 1 {
		t.Fatalf("the shares of %s range from %d to %d", what, least, most)
	}
}

// needed is the least number of slots that have to change their owner for the load to be even.
func (g *model) needed(t *testing.T) (slots int) {
	owners := g.owners(t)
	for _, unit := range g.units {
		owned := map[string]int{}
		n := int(g.slots(unit))
		for i := range int32(n) {
			for _, topic := range unit {
				if i < g.partitions[topic] {
					owned[owners[broker.TopicPartition{Topic: topic, Partition: i}]]++
					break
				}
			}
		}
		delete(owned, "")
		counts := slices.Sorted(maps.Values(owned))
		slices.Reverse(counts)
		kept, extras := 0, n%len(g.members)
		for _, c := range counts {
			share := n / len(g.members)
			if c > share && extras > 0 {
				extras--
				share++
			}
			kept += min(c, share)
		}
		slots += n - kept
	}
	return slots
}

func TestAssignmentsConvergeWhileMembersComeAndGo(t *testing.T) {
	var sticky, eager, least int
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		g := &model{members: map[string]assignor.Subscription{}, partitions: map[string]int32{}}
		for u := range 1 + r.IntN(4) {
			var unit []string
			for k := range 1 + r.IntN(3) {
				topic := fmt.Sprintf("u%d-%d", u, k)
				unit = append(unit, topic)
				g.partitions[topic] = int32(1 + r.IntN(20))
			}
			g.units = append(g.units, unit)
		}
		for step := range 12 {
			for range 1 + r.IntN(2) {
				ids := slices.Sorted(maps.Keys(g.members))
				if len(ids) == 0 || len(ids) < 8 && r.IntN(2) == 0 {
					g.joined++
					g.members[fmt.Sprintf("%d-%d", r.IntN(100), g.joined)] = assignor.Subscription{Units: g.units, Generation: -1}
				} else if len(ids) > 1 {
					delete(g.members, ids[r.IntN(len(ids))])
				}
			}
			if step > 0 {
				least += g.needed(t)
			}
			// An eager recompute forgets who had what.
			before := g.owners(t)
			forgotten := map[string]assignor.Subscription{}
			for id := range g.members {
				forgotten[id] = assignor.Subscription{Units: g.units}
			}
			if step > 0 {
				for id, tps := range assignor.Assign(forgotten, g.partitions) {
					for _, tp := range tps {
						if before[tp] != id {
							eager++
						}
					}
				}
			}
			rounds, moves := g.settle(t)
			if rounds > 2 {
				t.Fatalf("seed %d step %d: %d rounds", seed, step, rounds)
			}
			if step > 0 {
				sticky += moves
			}
			g.check(t)
			if again, moved := g.settle(t); again != 1 || moved != 0 {
				t.Fatalf("seed %d step %d: another round moved %d partitions", seed, step, moved)
			}
		}
	}
	t.Logf("%d partitions moved; a recompute moves %d; %d slots had to move", sticky, eager, least)
	if sticky > eager/2 {
		t.Errorf("%d partitions moved, a recompute moves %d", sticky, eager)
	}
}

func TestOnlyWhatHasToMovesDoes(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := &model{members: map[string]assignor.Subscription{}, partitions: map[string]int32{"a": int32(1 + r.IntN(30))}, units: [][]string{{"a"}}}
		for i := range 1 + r.IntN(6) {
			g.members[fmt.Sprint(i)] = assignor.Subscription{Units: g.units}
		}
		g.settle(t)
		if r.IntN(2) == 0 || len(g.members) == 1 {
			g.members["new"] = assignor.Subscription{Units: g.units}
		} else {
			delete(g.members, "0")
		}
		want := g.needed(t)
		if _, moves := g.settle(t); moves != want {
			t.Errorf("seed %d: %d slots moved, want %d", seed, moves, want)
		}
	}
}

func TestMembersOfDifferentVersionsNeverShareAPartition(t *testing.T) {
	versions := [][][]string{
		{{"a", "b"}, {"c"}},
		{{"a"}, {"b"}, {"c"}},
		{{"a", "b", "c"}},
		{{"a", "b"}, {"d"}},
		{{"c", "d"}},
	}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		g := &model{
			members:    map[string]assignor.Subscription{},
			partitions: map[string]int32{"a": 5, "b": 7, "c": 4, "d": 3},
			units:      versions[r.IntN(len(versions))],
		}
		for i := range 12 {
			g.members[fmt.Sprint(i)] = assignor.Subscription{Units: versions[r.IntN(len(versions))]}
			if i > 3 {
				delete(g.members, fmt.Sprint(r.IntN(i)))
			}
			if rounds, _ := g.settle(t); rounds > 4 {
				t.Errorf("seed %d: %d rounds", seed, rounds)
			}
			for id, m := range g.members {
				for _, tp := range m.Owned {
					for _, unit := range m.Units {
						if !slices.Contains(unit, tp.Topic) {
							continue
						}
						for _, topic := range unit {
							if want := (broker.TopicPartition{Topic: topic, Partition: tp.Partition}); tp.Partition < g.partitions[topic] && !slices.Contains(m.Owned, want) {
								t.Fatalf("seed %d: %s has %s but not %s", seed, id, tp, want)
							}
						}
					}
				}
			}
		}
		// The roll-out ends.
		for id, m := range g.members {
			m.Units = g.units
			g.members[id] = m
		}
		for topic := range g.partitions {
			if !slices.Contains(slices.Concat(g.units...), topic) {
				delete(g.partitions, topic)
			}
		}
		g.settle(t)
		g.check(t)
	}
}

func TestEqualInputGivesEqualOutput(t *testing.T) {
	g := &model{members: map[string]assignor.Subscription{}, partitions: map[string]int32{"a": 17, "b": 9, "c": 23}, units: [][]string{{"a", "b"}, {"c"}}}
	for i := range 5 {
		g.members[fmt.Sprint(i)] = assignor.Subscription{Units: g.units}
	}
	g.settle(t)
	g.members["x"] = assignor.Subscription{Units: g.units, Warm: tps("c", 3, 4, 5, 6, 7, 8)}
	delete(g.members, "3")
	want := assignor.Assign(g.members, g.partitions)
	for range 50 {
		if diff := cmp.Diff(want, assignor.Assign(maps.Clone(g.members), g.partitions)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func BenchmarkAssign(b *testing.B) {
	for _, size := range []struct{ members, units, partitions int }{{4, 3, 48}, {50, 10, 100}, {100, 5, 1000}} {
		b.Run(fmt.Sprintf("%dx%dx%d", size.members, size.units, size.partitions), func(b *testing.B) {
			g := &model{members: map[string]assignor.Subscription{}, partitions: map[string]int32{}}
			for u := range size.units {
				topic := fmt.Sprint("topic", u)
				g.units = append(g.units, []string{topic})
				g.partitions[topic] = int32(size.partitions)
			}
			for i := range size.members {
				g.members[fmt.Sprint(i)] = assignor.Subscription{Units: g.units}
			}
			for id, tps := range assignor.Assign(g.members, g.partitions) {
				g.members[id] = assignor.Subscription{Units: g.units, MemberID: id, Generation: 1, Owned: tps, Warm: tps}
			}
			g.members["new"] = assignor.Subscription{Units: g.units}
			b.ReportAllocs()
			for b.Loop() {
				assignor.Assign(g.members, g.partitions)
			}
		})
	}
}
