// Package graph is the untyped form of a topology: nodes, how they hang together, and for each a closure that builds
// its typed operator. Package stream writes it, the engine and the test kit read it.
package graph

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/internal/console"
	"github.com/weirstreams/weir/operator"
)

// Kind is the operation of a node.
type Kind string

// Kinds that planning looks at. The others are only shown.
const (
	KindSource      Kind = "source"
	KindFeed        Kind = "fromsource"
	KindSink        Kind = "sink"
	KindDynamic     Kind = "todynamic"
	KindRepartition Kind = "repartition"
	KindExternal    Kind = "external"
	KindGlobal      Kind = "globaltable"
	KindLookup      Kind = "joinlookup"
)

// Graph is a topology.
type Graph struct {
	// Nodes are in the order of declaration: parents come before children.
	Nodes []*Node
	// Tables are shown to people while the topology runs.
	Tables []*console.Table
	// Findings are the mistakes that were seen while declaring.
	Findings []Finding
	// Unfinished are the declarations that do nothing until another call completes them.
	Unfinished []*Unfinished
}

// Node is one declared operator.
type Node struct {
	// ID is the index in Graph.Nodes.
	ID   int
	Kind Kind
	// Detail describes the node further, for people: a window's size, a topic.
	Detail string
	// Site is the line of user code that declared the node: "file.go:12".
	Site     string
	Parents  []*Node
	Children []*Node
	// Lower builds the operator that takes the node's input, a operator.Receiver of its types, for one task.
	Lower func(b *Builder, n *Node) (any, error)
	// Source is set for nodes that read a topic.
	Source *Source
	// Sink is set for nodes that write a topic.
	Sink *Sink
	// External is set for nodes that write to a sink outside of Kafka.
	External *External
	// Global is set for nodes that are global tables. They have no parents and children, and belong to no part.
	Global *Global
	// RightSide is set for nodes that take the right side of a join, which is their child.
	RightSide bool
	// Globals are the global tables that the node looks rows up in.
	Globals []*Node
	// Stores are the names of the stores that the node opens.
	Stores []string
	// Formats describe the contents of those Stores, by name.
	Formats map[string]Format
	// Rekeys says that the node may give records other keys without sending them to the partitions of those keys.
	Rekeys bool
	// Keyed says that the node finds other records, or rows, by the key of a record, in the same task. Nodes with Stores do
	// so always.
	Keyed bool
	// Partitioned says that the user vouches for the partitions of the records: all of one key are in one partition.
	Partitioned bool
	// Effect says that the node does something useful though nothing reads its records.
	Effect bool
	// Timed says that the operator acts when event time goes on without records: it closes windows, or fires timers.
	Timed bool
	// Unlogged are those Stores that have no changelog, by name.
	Unlogged map[string]bool
	// Shared are the handles of those Stores that other operators of the part may use too, by name.
	Shared map[string]any

	number int
}

// Unfinished is a declaration of several calls, such as a window: it becomes a node with the last of them.
type Unfinished struct {
	// Site is the line of the call, Name the name of the declared thing.
	Site, Name string
	// Problem names the missing part.
	Problem string
	// Check returns further mistakes. It may be nil.
	Check func() error
	// Done says that the declaration was continued.
	Done bool
}

// Format names the types and codecs of the rows of a store: equal names can read each other's rows.
type Format struct {
	Key, State string
	// Meaning describes the rows where types do not: for a window, its aggregator. It may be empty.
	Meaning string
	// Side is the side of a join whose records the store keeps.
	Side Side
}

// Side is an input of a join.
type Side int8

const (
	// BothSides is all inputs of a node.
	BothSides Side = iota
	// LeftSide is the left input of a join.
	LeftSide
	// RightSide is the right input of a join.
	RightSide
)

// Keep describes the contents of a store.
func (n *Node) Keep(store, key, state string) {
	if n.Formats == nil {
		n.Formats = map[string]Format{}
	}
	n.Formats[store] = Format{Key: key, State: state}
}

// Mean sets the meaning of the rows of a store, after Keep.
func (n *Node) Mean(store, meaning string) {
	f := n.Formats[store]
	f.Meaning = meaning
	n.Formats[store] = f
}

// KeepsOf says which side of a join the rows of a store are from, after Keep.
func (n *Node) KeepsOf(side Side, stores ...string) {
	for _, store := range stores {
		f := n.Formats[store]
		f.Side = side
		n.Formats[store] = f
	}
}

// FeedersOf returns the sources of the part whose records reach a store of the node, in the order of declaration.
func (n *Node) FeedersOf(store string) []*Node {
	if side := n.Formats[store].Side; side != BothSides && int(side) <= len(n.Parents) {
		return n.Parents[side-1].FedBy()
	}
	return n.FedBy()
}

// WithoutChangelog says that a store has no changelog.
func (n *Node) WithoutChangelog(store string) {
	if n.Unlogged == nil {
		n.Unlogged = map[string]bool{}
	}
	n.Unlogged[store] = true
}

// Source is the input of a node.
type Source struct {
	// Topic is the name of the topic, unless Repartition is set.
	Topic string
	// Partitions and Config are used when the topic is created. Zero means the default.
	Partitions int32
	Config     map[string]string
	// Key names the type and codec of the keys of a topic that is not internal.
	Key string
	// Slots is set if the node reads a source outside of Kafka, with that name in Topic: the topic is internal, has so many partitions,
	// and stays empty. It shares the source among the tasks.
	Slots int32
	// Fed says that a source outside of Kafka writes the topic.
	Fed bool
	// Repartition is the node that writes the topic, if it is internal.
	Repartition *Node
	// Input builds the decoder that feeds next, the receiver from the node's Lower.
	Input func(env *operator.Env, node int, topic string, next any) operator.Input
}

// Sink is the output of a node.
type Sink struct {
	// Topic is the name of the topic, unless Repartition is not empty.
	Topic      string
	Partitions int32
	Config     map[string]string
	// Repartition is the name of the operation if the topic is internal, and part of the topic's name.
	Repartition string
	// Attached says that the internal topic is no input of its own of the part that reads it: it has the number of partitions
	// of the part's other inputs, and does not count in the part's name. Parts may write attached topics to each other.
	Attached bool
	// Placed says that the user chooses the partition of each record, in place of the hash of its key.
	Placed bool
	// Key and Value name the types and codecs of an internal topic.
	Key, Value string
}

// Internal reports whether the application alone writes the topic that is read: a repartition topic, or that of a source.
func (s *Source) Internal() bool { return s.Repartition != nil || s.Fed }

// Attached reports whether the topic that is read is attached to the part.
func (s *Source) Attached() bool { return s.Repartition != nil && s.Repartition.Sink.Attached }

// Global is a topic that each process reads whole, as a table.
type Global struct {
	Topic string
	// Partitions and Config are used when the topic is created. Zero means the default.
	Partitions int32
	Config     map[string]string
	// New returns the table, empty.
	New func() operator.GlobalTable
}

// External is a sink that a node writes to.
type External struct {
	// Sink is the user's sink. Nodes may share it.
	Sink any
	// Connect and Close are its methods.
	Connect, Close func(ctx context.Context) error
}

// Finding is something wrong with the declaration of a node.
type Finding struct {
	// Site is the line that declared the node, Node its name.
	Site, Node string
	Problem    string
}

// Add appends a node under its parents.
func (g *Graph) Add(n *Node, parents ...*Node) *Node {
	n.ID = len(g.Nodes)
	n.Parents = parents
	for _, p := range parents {
		p.Children = append(p.Children, n)
	}
	g.Nodes = append(g.Nodes, n)
	g.number(n)
	return n
}

// number numbers the nodes that are connected with n so far, each among its like in the order of declaration. Earlier
// numbers change only when n connects separate nodes.
func (g *Graph) number(n *Node) {
	connected := map[*Node]bool{}
	var visit func(*Node)
	visit = func(m *Node) {
		if connected[m] {
			return
		}
		connected[m] = true
		for _, p := range m.Parents {
			visit(p)
		}
		for _, c := range m.Children {
			visit(c)
		}
	}
	visit(n)
	count := map[Kind]int{}
	for _, m := range g.Nodes {
		if connected[m] {
			count[m.Kind]++
			m.number = count[m.Kind]
		}
	}
}

// Find records a mistake in the declaration of n.
func (g *Graph) Find(n *Node, format string, args ...any) {
	g.Findings = append(g.Findings, Finding{Node: n.String(), Site: n.Site, Problem: fmt.Sprintf(format, args...)})
}

// Declared returns the user's declaration of the topic that n reads or writes. ok is false if there is none, and for
// internal topics.
func (n *Node) Declared() (partitions int32, config map[string]string, ok bool) {
	switch {
	case n.Source != nil && n.Source.Repartition == nil && n.Source.Slots == 0:
		return n.Source.Partitions, n.Source.Config, true
	case n.Sink != nil && n.Sink.Repartition == "":
		return n.Sink.Partitions, n.Sink.Config, true
	case n.Global != nil:
		return n.Global.Partitions, n.Global.Config, true
	default:
		return 0, nil, false
	}
}

// String returns the name of the node: kind and detail or, for a node without detail, kind and its number among its
// like in the same part of the topology. Changes of other parts do not change it.
func (n *Node) String() string {
	if n.Detail != "" {
		return string(n.Kind) + " " + n.Detail
	}
	return fmt.Sprintf("%s-%d", n.Kind, n.number)
}

// Builder builds the operators of one task.
type Builder struct {
	Env *operator.Env
	// Application is the consumer group, and SubTopology the stream id of the task.
	Application, SubTopology string
	// Topic returns the name of the topic that a node reads or writes.
	Topic func(n *Node) string
	// Global returns the global table of a node. It is nil if there are none.
	Global func(n *Node) operator.GlobalTable

	built  map[*Node]any
	shared map[*Node]any
}

// Share returns the result of open, which is called once per node and task: for objects that several operators of a task use.
func Share[T any](b *Builder, n *Node, open func() (T, error)) (T, error) {
	if v, ok := b.shared[n]; ok {
		return v.(T), nil
	}
	v, err := open()
	if err != nil {
		return v, err
	}
	if b.shared == nil {
		b.shared = map[*Node]any{}
	}
	b.shared[n] = v
	return v, nil
}

// Build returns the operator of n, built once per task.
func (b *Builder) Build(n *Node) (any, error) {
	if r, ok := b.built[n]; ok {
		return r, nil
	}
	r, err := n.Lower(b, n)
	if err != nil {
		return nil, err
	}
	if b.built == nil {
		b.built = map[*Node]any{}
	}
	b.built[n] = r
	return r, nil
}

// InputOf returns one of the receivers of the operator of n.
func InputOf[O, R any](b *Builder, n *Node, of func(O) R) (R, error) {
	op, err := b.Build(n)
	if err != nil {
		var none R
		return none, err
	}
	return of(op.(O)), nil
}

// Next returns the receiver of everything that n emits: its children.
func Next[K, V any](b *Builder, n *Node) (operator.Receiver[K, V], error) {
	if len(n.Children) == 0 {
		return operator.End[K, V]{Env: b.Env}, nil
	}
	next := make([]operator.Receiver[K, V], 0, len(n.Children))
	for _, child := range n.Children {
		r, err := b.Build(child)
		if err != nil {
			return nil, err
		}
		next = append(next, r.(operator.Receiver[K, V]))
	}
	return operator.FanOut(next), nil
}

// Input builds the decoder of a source node and everything behind it.
func (b *Builder) Input(n *Node) (operator.Input, error) {
	next, err := b.Build(n)
	if err != nil {
		return nil, err
	}
	return n.Source.Input(b.Env, n.ID, b.Topic(n), next), nil
}
