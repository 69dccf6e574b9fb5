package stream

import (
	"reflect"
	"slices"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/sourcing"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/source"
)

// SourceTopicPrefix begins the names of the topics of [SourceTopic].
const SourceTopicPrefix = "source__"

// SourceTopic returns the default topic of a source with that name: source__NAME, with the codecs that codec.For gives, such as JSON for
// structs and the bytes themselves for []byte. Like any other topic it has to exist, unless the application creates missing topics: then
// it gets 1 partition and the settings of the cluster, or those of WithPartitions and WithConfig.
func SourceTopic[K, V any](name string) Topic[K, V] {
	return NewTopic(SourceTopicPrefix+name, codec.For[K](), codec.For[V]())
}

// FromSource reads a source outside of Kafka: its records are written to topic, which is read like any other. The source begins with the
// first record that it has, and goes on behind the last one that was committed. See package source for the guarantees.
func (t *Topology) FromSource[K, V any](from source.Source[K, V], topic Topic[K, V]) Stream[K, V] {
	return t.FromSourceWith(source.Options{}, from, topic)
}

// FromSourceWith is FromSource with options.
func (t *Topology) FromSourceWith[K, V any](options source.Options, from source.Source[K, V], topic Topic[K, V]) Stream[K, V] {
	t.addSource(options, from, topic)
	s := t.From(topic)
	s.node.Source.Fed = true
	return s
}

// AddSource writes the records of a source to a topic that this topology need not read.
func (t *Topology) AddSource[K, V any](from source.Source[K, V], topic Topic[K, V]) {
	t.addSource(source.Options{}, from, topic)
}

// AddSourceWith is AddSource with options.
func (t *Topology) AddSourceWith[K, V any](options source.Options, from source.Source[K, V], topic Topic[K, V]) {
	t.addSource(options, from, topic)
}

// addSource adds a sub-topology of two nodes: one reads the source, with a store for its positions, and one writes the topic.
func (t *Topology) addSource[K, V any](options source.Options, from source.Source[K, V], topic Topic[K, V]) {
	if options.Name == "" {
		options.Name = topic.name
	}
	n := &graph.Node{Kind: graph.KindFeed, Detail: options.Name, Site: callSite(), Stores: []string{sourcing.Store}}
	n.Keep(sourcing.Store, "split", "position")
	n.Source = &graph.Source{Topic: options.Name, Slots: 1}
	if isNil(from) {
		t.graph.Add(n)
		t.graph.Find(n, "the source is nil")
		return
	}
	options = sourcing.WithDefaults(options, from)
	n.Source.Slots = max(1, options.Slots) // checkSource finds a negative number
	n.External = &graph.External{Sink: from, Connect: from.Connect, Close: from.Close}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		next, err := graph.Next[K, V](b, n)
		if err != nil {
			return nil, err
		}
		slot, err := sourcing.New(b.Env, n.ID, b.Topic(n), from, options, next)
		return slot, err
	}
	n.Source.Input = func(*operator.Env, int, string, any) operator.Input { return sourcing.NoInput{} }
	t.graph.Add(n)
	checkSource(t, n, options)
	if topic.name == SourceTopicPrefix {
		t.graph.Find(n, "the name of SourceTopic is empty")
	}
	Stream[K, V]{t, n, topic.key}.sink(topic, nil)
	n.Children[0].Site = n.Site
}

// isNil reports whether a source is nil, also as a nil pointer.
func isNil(from any) bool {
	if from == nil {
		return true
	}
	v := reflect.ValueOf(from)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// checkSource records the mistakes in the options of a source.
func checkSource(t *Topology, n *graph.Node, options source.Options) {
	if err := checkNamePart(options.Name); err != nil {
		t.graph.Find(n, "name of the source: %v", err)
	}
	for _, c := range []struct {
		name  string
		value any
		wrong bool
	}{
		{"Slots", options.Slots, options.Slots < 0},
		{"OpenSplits", options.OpenSplits, options.OpenSplits < 0},
		{"QueueRecords", options.QueueRecords, options.QueueRecords < 0},
		{"QueueBytes", options.QueueBytes, options.QueueBytes < 0},
		{"RecordsPerSecond", options.RecordsPerSecond, !(options.RecordsPerSecond >= 0)}, // NaN is wrong too
		{"Retry.FirstWait", options.Retry.FirstWait, options.Retry.FirstWait < 0},
		{"Retry.MaxWait", options.Retry.MaxWait, options.Retry.MaxWait < 0},
		{"CloseTimeout", options.CloseTimeout, options.CloseTimeout < 0},
	} {
		if c.wrong {
			t.graph.Find(n, "source.Options.%s is %v", c.name, c.value)
		}
	}
}

// findSources reports sources that write one topic, or have one name or one value: their records would be mixed, their positions be in
// one place, or their connections be closed while they are used. Streams that write the topic of a source are reported too.
func (t *Topology) findSources(add addFinding) {
	topics, names := map[string]*graph.Node{}, map[string]*graph.Node{}
	var seen []*graph.Node
	for _, n := range t.graph.Nodes {
		if n.Source == nil || n.Source.Slots == 0 || n.External == nil {
			continue
		}
		topic := n.Children[0].Sink.Topic
		switch {
		case topics[topic] != nil:
			add(n, "topic %q is written by another source already, declared at %s: give each source a topic of its own", topic, topics[topic].Site)
		case names[n.Source.Topic] != nil:
			add(n, "another source has the name %q already, declared at %s: set source.Options.Name", n.Source.Topic, names[n.Source.Topic].Site)
		}
		for _, o := range seen {
			if graph.Same(o.External.Sink, n.External.Sink) {
				add(n, "this source is read already, by the declaration at %s: make a value for each", o.Site)
				break
			}
		}
		topics[topic], names[n.Source.Topic] = n, n
		seen = append(seen, n)
	}
	for _, n := range t.graph.Nodes {
		if n.Sink == nil || n.Sink.Repartition != "" {
			continue
		}
		feed := topics[n.Sink.Topic]
		if feed == nil || slices.ContainsFunc(seen, func(source *graph.Node) bool { return source.Children[0] == n }) {
			continue
		}
		add(n, "topic %q is written by a source, declared at %s: write the stream to a topic of its own, and merge the two", n.Sink.Topic, feed.Site)
	}
}
