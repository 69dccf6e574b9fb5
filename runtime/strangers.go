package runtime

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/stream"
)

// reviewStrangers returns a problem for each internal topic with records of another program, for a group without an inventory. Quix Streams
// gives its internal topics the same names, and other formats.
func (u *upgrade) reviewStrangers(ctx context.Context, exists func(topic string) bool) (problems []string, err error) {
	for _, part := range u.app.plan.SubTopologies {
		for _, s := range part.Stores {
			if s.Changelog == "" || !exists(s.Changelog) {
				continue
			}
			place, err := u.foreignRecord(ctx, s.Changelog)
			if err != nil {
				return nil, err
			}
			if place != "" {
				problems = append(problems, fmt.Sprintf("changelog %q of store %q, of the operator declared at %s, holds a record of another program, such as "+
					"Quix Streams (%s): it would be taken for a row; give the store another name, or delete the topic when that program has ended for good",
					s.Changelog, s.Name, s.Node.Site, place))
			}
		}
		for _, n := range part.Nodes {
			if n.Sink == nil || n.Sink.Repartition == "" || !exists(u.app.plan.Topic(n)) {
				continue
			}
			problem, err := u.reviewUnread(ctx, u.app.plan.Topic(n))
			if err != nil {
				return nil, err
			}
			if problem != "" {
				problems = append(problems, problem)
			}
		}
	}
	return problems, nil
}

// foreignRecord returns the place of a record of a changelog that Weir has not written, or nothing if the first rows are of Weir.
func (u *upgrade) foreignRecord(ctx context.Context, topic string) (place string, err error) {
	there, err := u.cluster.Topics(ctx, topic)
	if err != nil {
		return "", fmt.Errorf("look up topic %q: %w", topic, err)
	}
	err = broker.Scan(ctx, u.cluster, func(b *broker.Batch) (more bool) {
		for i := range b.Records {
			switch r := &b.Records[i]; {
			case changelog.Foreign(r):
				place = fmt.Sprintf("%s at offset %d", b.TopicPartition, r.Offset)
				return false
			case changelog.IsRow(r):
				return false // one program writes a changelog
			}
		}
		return place == ""
	}, partitionsOf(there[topic])...)
	return place, err
}

// reviewUnread returns a problem if the group has not read all records of a repartition topic, unless Config.Accept has it.
func (u *upgrade) reviewUnread(ctx context.Context, topic string) (problem string, err error) {
	there, err := u.cluster.Topics(ctx, topic)
	if err != nil {
		return "", fmt.Errorf("look up topic %q: %w", topic, err)
	}
	unread, err := u.unread(ctx, there[topic])
	if err != nil || !unread {
		return "", err
	}
	change := stream.Change{Kind: stream.TopicRetyped, Topic: topic, Note: "of another program, such as Quix Streams, as the group has no inventory"}
	if u.app.accepts(change) {
		u.accepted = append(u.accepted, change)
		return "", nil
	}
	return u.app.refusalOf(change), nil
}
