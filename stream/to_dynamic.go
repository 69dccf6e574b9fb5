package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// ToDynamic writes each record to the topic that f names. Topics need no declaration: template has their codecs and, for those
// that are created, partitions and settings; its own name is not used. Where the topics are known in advance, use ToOneOf,
// which checks them at the start.
//
// With the first record for a topic, each worker asks the cluster for it, which takes the time of a request; further records
// cost the lookup of the name in a map. A topic that does not exist is created if runtime.Config.Topics.Create is set.
// Otherwise, and if the cluster does not create it, the record is a processing error with an weir.ProduceError that
// names the topic; the cluster is asked again after a second. The number of partitions is that of the first use.
//
// runtime.Config.Prefix is put before the name. These names are processing errors as well: one that Kafka does not allow,
// one of an internal topic, one of a topic that a source of the topology writes, and one of a topic that the topology reads, as records could go round without
// end. An error of f is a processing error. f is called by the goroutine of the task, once per record.
func (s Stream[K, V]) ToDynamic(template Topic[K, V], f func(context.Context, weir.Record[K, V]) (string, error)) {
	name := func(ctx context.Context, r *weir.Record[K, V]) (string, error) { return f(ctx, *r) }
	settings := operator.TopicTemplate{Partitions: template.partitions, Config: template.config}
	n := s.add(&graph.Node{Kind: graph.KindDynamic, Effect: true, Lower: func(b *graph.Builder, n *graph.Node) (any, error) {
		return operator.Receiver[K, V](operator.NewDynamic(b.Env, n.ID, name, template.key, template.value, settings)), nil
	}})
	checkTopic(s.topology, n, template)
	_ = Stream[K, V]{s.topology, n, s.key}.checked(f == nil)
}
