package stream

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/weirstreams/weir/internal/graph"
)

// Inventory lists the state of a topology on the cluster and on disk. The next version of the program has to find it again. It
// depends on nothing else, such as stateless operators, the order of declarations, lines, the machine or the build. Keep it
// as JSON beside the program, or in its tests, and compare with [Diff]. In names of topics, GROUP stands for the consumer
// group.
type Inventory struct {
	// Streams are ordered by ID.
	Streams []StreamInventory `json:"streams"`
	// Globals are the topics of global tables, ordered by name. They have no state beside the topic.
	Globals []string `json:"globals,omitempty"`
}

// StreamInventory lists the state of a sub-topology.
type StreamInventory struct {
	// ID is the stream id. State of all tasks lies under it.
	ID string `json:"id"`
	// Inputs are the topics that are read, ordered by name.
	Inputs []string `json:"inputs"`
	// Stores are ordered by name.
	Stores []StoreInventory `json:"stores,omitempty"`
	// Repartitions are the internal topics that are written, ordered by name.
	Repartitions []RepartitionInventory `json:"repartitions,omitempty"`
}

// StoreInventory is a store.
type StoreInventory struct {
	Name string `json:"name"`
	// Changelog is the topic that the store is restored from. It is empty for a store without a changelog.
	Changelog string `json:"changelog"`
	// Operator is the kind of the first operator that uses the store, as Describe names it.
	Operator string `json:"operator"`
	// Key and State name the Go types of the keys and of their values, and their codecs, without the paths of
	// packages: "string as codec.stringCodec". Inventories of versions that did not know them have "".
	Key   string `json:"key,omitempty"`
	State string `json:"state,omitempty"`
	// Meaning describes the content where types do not: for a window, its aggregator and whether it is closed by partition; for a
	// join, whether it keeps duplicates, or its records without a match wait.
	Meaning string `json:"meaning,omitempty"`
	// From are the topics whose records reach the store, ordered by name, if the sub-topology reads several.
	From []string `json:"from,omitempty"`
}

// RepartitionInventory is an internal topic between two sub-topologies.
type RepartitionInventory struct {
	Topic string `json:"topic"`
	// Partitions is the number that was asked for; 0 is that of the inputs.
	Partitions int32 `json:"partitions,omitempty"`
	// Key and Value name the Go types and codecs of keys and values, as those of stores are named.
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
}

// Inventory returns the inventory of the topology. The topology has to be valid.
func (t *Topology) Inventory() Inventory {
	plan := graph.NewPlan(&t.graph, groupPlaceholder)
	var inventory Inventory
	for _, part := range plan.SubTopologies {
		s := StreamInventory{ID: part.StreamID}
		for _, n := range part.Sources {
			s.Inputs = append(s.Inputs, plan.Topic(n))
		}
		for _, store := range part.Stores {
			s.Stores = append(s.Stores, StoreInventory{
				Name: store.Name, Changelog: store.Changelog, Operator: string(store.Node.Kind),
				Key: store.Node.Formats[store.Name].Key, State: store.Node.Formats[store.Name].State,
				Meaning: store.Node.Formats[store.Name].Meaning, From: topicsOf(plan, part, store.Name),
			})
		}
		for _, n := range part.Nodes {
			if n.Sink != nil && n.Sink.Repartition != "" {
				s.Repartitions = append(s.Repartitions, RepartitionInventory{plan.Topic(n), n.Sink.Partitions, n.Sink.Key, n.Sink.Value})
			}
		}
		slices.SortFunc(s.Stores, func(a, b StoreInventory) int { return cmp.Compare(a.Name, b.Name) })
		slices.SortFunc(s.Repartitions, func(a, b RepartitionInventory) int { return cmp.Compare(a.Topic, b.Topic) })
		inventory.Streams = append(inventory.Streams, s)
	}
	for _, n := range plan.Globals {
		inventory.Globals = append(inventory.Globals, plan.Topic(n))
	}
	slices.Sort(inventory.Globals)
	slices.SortFunc(inventory.Streams, func(a, b StreamInventory) int { return cmp.Compare(a.ID, b.ID) })
	return inventory
}

// topicsOf returns the topics whose records reach a store of a sub-topology that reads several topics.
func topicsOf(plan *graph.Plan, part *graph.SubTopology, store string) []string {
	if len(part.Sources) < 2 {
		return nil
	}
	var topics []string
	for _, n := range part.Nodes {
		if slices.Contains(n.Stores, store) {
			for _, source := range n.FeedersOf(store) {
				topics = append(topics, plan.Topic(source))
			}
		}
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// Fingerprint returns 32 hexadecimal digits that two topologies share exactly if their inventories are the same: an upgrade
// from one to the other finds all state again.
func (t *Topology) Fingerprint() string { return t.Inventory().Fingerprint() }

// Fingerprint returns the fingerprint of a topology with this inventory.
func (i Inventory) Fingerprint() string {
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // strings and numbers always have JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
