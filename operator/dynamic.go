package operator

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
)

// TopicTemplate holds the settings of a topic that is created when the first record for it comes.
type TopicTemplate struct {
	// Partitions is the number of partitions; 0 means the default of the application.
	Partitions int32
	// Config holds settings by Kafka's names.
	Config map[string]string
}

// Dynamic writes each record to the topic that a function names. It opens a sink for each topic with the first record for it.
type Dynamic[K, V any] struct {
	env      *Env
	node     int
	topic    func(context.Context, *weir.Record[K, V]) (string, error)
	key      codec.Codec[K]
	value    codec.Codec[V]
	template TopicTemplate
	sinks    map[string]*TopicWriter[K, V]
}

// NewDynamic returns a sink that writes to the topics that topic names, with the given codecs.
func NewDynamic[K, V any](
	env *Env, node int, topic func(context.Context, *weir.Record[K, V]) (string, error), key codec.Codec[K], value codec.Codec[V], template TopicTemplate,
) *Dynamic[K, V] {
	return &Dynamic[K, V]{env: env, node: node, topic: topic, key: key, value: value, template: template, sinks: map[string]*TopicWriter[K, V]{}}
}

// Receive implements [Receiver].
func (d *Dynamic[K, V]) Receive(r *weir.Record[K, V]) error {
	d.env.Enter(d.node)
	name, err := d.topic(d.env.Context, r)
	if err != nil {
		return err
	}
	sink := d.sinks[name]
	if sink == nil {
		topic, output, err := d.env.DynamicOutput(d.env.StepContext(), d.node, name, d.template)
		if err != nil {
			return err
		}
		sink = NewTopicWriter(d.env, d.node, topic, d.key, d.value, output)
		d.sinks[name] = sink
	}
	return sink.Receive(r)
}
