// Package assignor decides which member of a consumer group works on which partitions.
//
// Slots are assigned, not single partitions. A slot is the same partition number of all topics of a unit, which is
// a set of topics that are processed together. An assignment is
//
//   - even: the slots of each unit are spread as evenly as can be, because those of one unit are alike and those of
//     another may be heavier, and the totals of any two members differ by at most one;
//   - sticky: within that, as many slots as possible stay where they are;
//   - aware of state: within that, as many slots as possible go where their state is at hand;
//   - incremental: a slot that moves is withheld until its owner says that it has given it up, so that a slot has never
//     two owners. The owner then joins again, and the group needs a second round;
//   - a function of its input: each member computes the same.
//
// The first two are those of the cooperative sticky assignor (KIP-54, KIP-429), the third is the purpose of KIP-441.
// Evenness comes first. It is reached as a flow of least cost, in two steps: first how many slots of each unit a member
// gets, over all units (see quotas), then which ones, for each unit by itself (see place).
//
// The package knows no network. Members describe themselves with a Subscription, which has a wire format of its own.
package assignor

import (
	"maps"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
)

// Protocol names the way of assigning. A group takes members of one protocol only, so that it changes with everything
// that makes leaders of different versions disagree about safety, and with nothing else.
const Protocol = "weir-v1"

// Subscription is the data of a member about itself when it joins the group.
type Subscription struct {
	// Units are sets of topics: the member wants equal partition numbers of a set together.
	Units [][]string
	// Owned are the partitions that the member owns and will go on with.
	Owned []broker.TopicPartition
	// MemberID and Generation are those under which it got the last assignment. Ownership under another member id
	// is void: the group had gone on without the member.
	MemberID   string
	Generation int32
	// Known is how many partitions of its topics the member knows. It says nothing to Assign, but a subscription that
	// differs from the one before makes the group assign anew, which is how any member reports that a topic has grown.
	Known int
	// Fingerprint is that of the member's topology. It says nothing to Assign.
	Fingerprint string
	// Endpoint is the address of the member for others, empty if it has none. It says nothing to Assign.
	Endpoint string
	// Warm are partitions with state on the member's disk. One topic of a unit is enough.
	Warm []broker.TopicPartition
}

// Assign returns the partitions that each member owns from now on, given the subscriptions by member id and the number of partitions
// of each topic. Every member has an entry. A member that gets less than it owns gives up the difference and joins again.
//
// Members may disagree about units, as they do while a new version of a program is rolled out. Then a member with a
// partition still gets all partitions of its unit in its own view, owned partitions stay with their owner until it ends, and
// a partition that needs a taken one stays unassigned meanwhile.
func Assign(members map[string]Subscription, partitions map[string]int32) map[string][]broker.TopicPartition {
	p := newPlanner(members, partitions)
	p.assign()
	assignment := make(map[string][]broker.TopicPartition, len(members))
	for _, id := range p.ids {
		assignment[id] = nil
	}
	for _, grant := range p.grants {
		id := p.ids[grant.member]
		ready := !slices.ContainsFunc(grant.partitions, func(tp broker.TopicPartition) bool { return p.claims.withheld(tp, id) })
		for _, tp := range grant.partitions {
			if ready || p.claims.owner(tp) == id {
				assignment[id] = append(assignment[id], tp)
			}
		}
	}
	for _, tps := range assignment {
		slices.SortFunc(tps, broker.TopicPartition.Compare)
	}
	return assignment
}

// claims are the strongest claims of members on partitions: the latest generation wins, and two claims of it
// cancel each other (KIP-792).
type claims map[broker.TopicPartition]claim

type claim struct {
	generation int32
	member     string // "" if there are two
}

func claimsOf(members map[string]Subscription) claims {
	all := claims{}
	for _, id := range slices.Sorted(maps.Keys(members)) {
		m := members[id]
		if m.MemberID != id {
			continue
		}
		for _, tp := range slices.Compact(slices.SortedFunc(slices.Values(m.Owned), broker.TopicPartition.Compare)) {
			c, ok := all[tp]
			switch {
			case !ok:
				c = claim{generation: m.Generation, member: id}
			case m.Generation == c.generation:
				c.member = ""
			case m.Generation > c.generation:
				c = claim{generation: m.Generation, member: id}
			}
			all[tp] = c
		}
	}
	return all
}

// owner returns the member that owns a partition, or "".
func (c claims) owner(tp broker.TopicPartition) string { return c[tp].member }

// withheld says that a member cannot have a partition yet, because another may still work on it.
func (c claims) withheld(tp broker.TopicPartition, member string) bool {
	claim, claimed := c[tp]
	return claimed && claim.member != member
}
