package stream

import (
	"fmt"
	"slices"
	"strings"
)

// ChangeKind is an effect of an upgrade on state or a topic.
type ChangeKind string

const (
	// StateOrphaned: nothing uses a store and its changelog any more. Its content is lost to the new version.
	StateOrphaned ChangeKind = "state orphaned"
	// StateNew: a store begins empty.
	StateNew ChangeKind = "state new"
	// StateReused: another kind of operator finds a store of the same name. Its content may not fit.
	StateReused ChangeKind = "state reused"
	// StateRetyped: the Go type or the codec of the values of a store, or of its keys, is another one. The old content may not
	// be readable.
	StateRetyped ChangeKind = "state retyped"
	// StateReinterpreted: a store keeps something else in the same type: another aggregator, the same one closed by
	// partition, or the records of other topics. The new version would misread the old content.
	StateReinterpreted ChangeKind = "state reinterpreted"
	// StateStale: a store is new to the topology, and its changelog exists: an earlier version has left it. Its content
	// would count as if it were up to date. Diff cannot know of it; an application finds it at its start.
	StateStale ChangeKind = "state stale"
	// TopicOrphaned: nothing reads or writes a repartition topic any more. Its unread records are lost.
	TopicOrphaned ChangeKind = "topic orphaned"
	// TopicRetyped: the Go types or the codecs of a repartition topic are others. Its unread records may not be readable.
	TopicRetyped ChangeKind = "topic retyped"
	// TopicNew: a repartition topic is made.
	TopicNew ChangeKind = "topic new"
	// PartitionsChanged: a repartition topic is asked for with another number of partitions, which the application refuses
	// to start with, because keys would move away from their state.
	PartitionsChanged ChangeKind = "partitions changed"
)

// Change is one thing that an upgrade does.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Topic is the internal topic: the changelog of a store, or the repartition topic. For a store without a changelog it is the
	// stream id, a slash and the name of the store.
	Topic string `json:"topic"`
	// Note says more for people: the store and stream, and the probable intention.
	Note string `json:"note"`
}

// String returns "kind: topic (note)".
func (c Change) String() string { return fmt.Sprintf("%s: %s (%s)", c.Kind, c.Topic, c.Note) }

// Harmless reports whether nothing is lost: the change only adds something.
func (c Change) Harmless() bool { return c.Kind == StateNew || c.Kind == TopicNew }

// owned is a store with its stream.
type owned struct {
	StoreInventory
	stream string
}

// Diff returns the effects of an upgrade from a topology with the old inventory to one with the new, on state and internal
// topics. Changes that lose something come first. It is empty exactly if the fingerprints of both are equal, unless only
// the streams without state and internal topics, or the global tables, differ.
func Diff(before, after Inventory) []Change {
	var lost, changed, added []Change
	old, now := before.stores(), after.stores()
	for _, s := range old {
		i := slices.IndexFunc(now, func(n owned) bool { return n.Changelog == s.Changelog })
		switch {
		case i < 0:
			note := fmt.Sprintf("store %q of stream %q", s.Name, s.stream)
			for _, n := range now {
				if n.Name == s.Name && !slices.ContainsFunc(old, func(o owned) bool { return o.Changelog == n.Changelog }) {
					note += fmt.Sprintf("; stream %q has one of this name, which begins empty", n.stream)
					if strings.Contains(n.Changelog, "/") {
						note += " and has no changelog"
					}
				}
			}
			lost = append(lost, Change{StateOrphaned, s.Changelog, note})
		case now[i].Operator != s.Operator:
			changed = append(changed, Change{StateReused, s.Changelog, fmt.Sprintf("store %q of stream %q was of %s and is of %s",
				s.Name, s.stream, s.Operator, now[i].Operator)})
		default:
			n := now[i]
			if what := others(typed{"keys were", s.Key, n.Key}, typed{"states were", s.State, n.State}); what != "" {
				changed = append(changed, Change{StateRetyped, s.Changelog, fmt.Sprintf("store %q of stream %q: %s", s.Name, s.stream, what)})
			} else if s.Key != "" && n.Key != "" && n.Meaning != s.Meaning && !(s.Operator == "aggregate" && s.Meaning == "") { // of an earlier version
				changed = append(changed, Change{StateReinterpreted, s.Changelog, fmt.Sprintf("store %q of stream %q was %s and is %s",
					s.Name, s.stream, meaningOf(s), meaningOf(n))})
			} else if len(s.From) > 0 && len(n.From) > 0 && !slices.Equal(n.From, s.From) {
				changed = append(changed, Change{StateReinterpreted, s.Changelog, fmt.Sprintf("store %q of stream %q was of records of %s and is of records of %s",
					s.Name, s.stream, strings.Join(s.From, ", "), strings.Join(n.From, ", "))})
			}
		}
	}
	for _, s := range now {
		if !slices.ContainsFunc(old, func(o owned) bool { return o.Changelog == s.Changelog }) {
			added = append(added, Change{StateNew, s.Changelog, fmt.Sprintf("store %q of stream %q", s.Name, s.stream)})
		}
	}
	oldTopics, newTopics := before.repartitions(), after.repartitions()
	for _, r := range oldTopics {
		i := slices.IndexFunc(newTopics, func(n RepartitionInventory) bool { return n.Topic == r.Topic })
		switch {
		case i < 0:
			lost = append(lost, Change{TopicOrphaned, r.Topic, "records that were not read yet are not read any more"})
		case newTopics[i].Partitions != r.Partitions:
			changed = append(changed, Change{PartitionsChanged, r.Topic, fmt.Sprintf("%d asked for, now %d", r.Partitions, newTopics[i].Partitions)})
		default:
			n := newTopics[i]
			if what := others(typed{"keys were", r.Key, n.Key}, typed{"values were", r.Value, n.Value}); what != "" {
				changed = append(changed, Change{TopicRetyped, r.Topic, what})
			}
		}
	}
	for _, r := range newTopics {
		if !slices.ContainsFunc(oldTopics, func(o RepartitionInventory) bool { return o.Topic == r.Topic }) {
			added = append(added, Change{TopicNew, r.Topic, "it begins empty"})
		}
	}
	return slices.Concat(lost, changed, added)
}

// meaningOf names the content of a store.
func meaningOf(s owned) string {
	if s.Meaning == "" {
		return s.Operator
	}
	return s.Meaning
}

// typed is a name of a type and its codec, in two versions.
type typed struct{ what, before, after string }

// others says which names are others, as far as both versions know.
func others(names ...typed) string {
	var all []string
	for _, n := range names {
		if n.before != "" && n.after != "" && n.before != n.after {
			all = append(all, fmt.Sprintf("%s %s and are %s", n.what, n.before, n.after))
		}
	}
	return strings.Join(all, "; ")
}

func (i Inventory) stores() (all []owned) {
	for _, s := range i.Streams {
		for _, store := range s.Stores {
			o := owned{store, s.ID}
			if o.Changelog == "" {
				o.Changelog = s.ID + "/" + store.Name
			}
			all = append(all, o)
		}
	}
	return all
}

func (i Inventory) repartitions() (all []RepartitionInventory) {
	for _, s := range i.Streams {
		all = append(all, s.Repartitions...)
	}
	return all
}
