package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/engine/inventory"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/stream"
)

// keptInventory is the text in the inventory topic of a group.
type keptInventory struct {
	// Format is 1. A greater one is of a later version, and is refused.
	Format    int              `json:"format"`
	Inventory stream.Inventory `json:"inventory"`
}

const inventoryFormat = 1

// upgrade compares the inventory of the topology with that of the version before it.
type upgrade struct {
	app     *App
	cluster broker.Cluster
	// known is set if the group has an inventory, same if it is that of the topology.
	known, same bool
	// changes are those to the inventory of the group, in the order of stream.Diff; accepted says which of them would lose or
	// misread something, and are in Config.Accept.
	changes  []stream.Change
	accepted []stream.Change
}

// inventoryTopic returns the name of the topic that keeps the inventory of the group.
func (a *App) inventoryTopic() string {
	return a.plan.ClusterName("inventory__" + a.config.Group)
}

// groupPlaceholder stands for the group in the names of topics of a stream.Inventory.
const groupPlaceholder = "GROUP"

// topicName returns the name on the cluster of a topic of an inventory.
func (a *App) topicName(topic string) string {
	name := strings.Replace(topic, "__"+groupPlaceholder+"--", "__"+a.config.Group+"--", 1)
	if name != topic {
		return a.plan.ClusterName(name)
	}
	return topic
}

// review returns a problem for each change that loses or misreads something, unless Config.Accept has it.
func (u *upgrade) review(ctx context.Context, exists func(topic string) bool) (problems []string, err error) {
	a := u.app
	u.known, u.same, u.changes, u.accepted = false, false, nil, nil // as the topics may be looked at twice
	text, err := inventory.Read(ctx, u.cluster, a.inventoryTopic())
	if err != nil {
		return nil, err
	}
	if text == nil {
		return u.reviewStrangers(ctx, exists)
	}
	var kept keptInventory
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fmt.Errorf("inventory of group %q in topic %q: %w", a.config.Group, a.inventoryTopic(), err)
	}
	if kept.Format > inventoryFormat {
		return []string{fmt.Sprintf("the inventory in topic %q has format %d, and this version of the library knows %d: the group "+
			"was run by a later version", a.inventoryTopic(), kept.Format, inventoryFormat)}, nil
	}
	u.known, u.same = true, kept.Inventory.Fingerprint() == a.inventory.Fingerprint()
	if u.changes, err = u.classify(ctx, stream.Diff(kept.Inventory, a.inventory), exists); err != nil {
		return nil, err
	}
	for _, change := range u.changes {
		switch {
		case change.Harmless():
		case a.accepts(change):
			u.accepted = append(u.accepted, change)
		default:
			problems = append(problems, a.refusalOf(change))
		}
	}
	return problems, nil
}

// classify puts the names of the cluster into changes, and drops those that lose nothing: the topic does not exist any more, or
// it was read to its end.
func (u *upgrade) classify(ctx context.Context, changes []stream.Change, exists func(topic string) bool) (all []stream.Change, err error) {
	var names []string
	for _, c := range changes {
		names = append(names, u.app.topicName(c.Topic))
	}
	if len(names) == 0 {
		return nil, nil
	}
	there, err := u.cluster.Topics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("look up topics of the version before: %w", err)
	}
	for _, c := range changes {
		c.Topic = u.app.topicName(c.Topic)
		info, found := there[c.Topic]
		switch c.Kind {
		case stream.PartitionsChanged:
			continue // the topic itself is compared with the declaration
		case stream.StateNew:
			if exists(c.Topic) {
				c.Kind, c.Note = stream.StateStale, c.Note+", whose changelog was left by an earlier version"
			}
		case stream.TopicOrphaned, stream.TopicRetyped:
			unread := false
			if found {
				if unread, err = u.unread(ctx, info); err != nil {
					return nil, err
				}
			}
			if !unread {
				u.app.config.Logger.Info("upgrade: everything was read of a topic that changes", "change", c.Kind, "topic", c.Topic)
				continue
			}
		case stream.TopicNew:
		default:
			if !found {
				u.app.config.Logger.Info("upgrade: the changelog is gone, so that no state is lost", "change", c.Kind, "topic", c.Topic)
				continue
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// unread reports whether the group has not read all of a topic.
func (u *upgrade) unread(ctx context.Context, info broker.TopicInfo) (bool, error) {
	tps := partitionsOf(info)
	committed, err := u.cluster.CommittedOffsets(ctx, u.app.plan.Group, tps...)
	if err != nil {
		return false, err
	}
	first, err := u.cluster.Offsets(ctx, broker.Earliest, tps...)
	if err != nil {
		return false, err
	}
	end, err := u.cluster.Offsets(ctx, broker.End, tps...)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(tps, func(tp broker.TopicPartition) bool { return max(committed[tp], first[tp]) < end[tp] }), nil
}

func partitionsOf(info broker.TopicInfo) (tps []broker.TopicPartition) {
	for n := range info.Partitions {
		tps = append(tps, broker.TopicPartition{Topic: info.Name, Partition: n})
	}
	return tps
}

// accepts reports whether Config.Accept has a change.
func (a *App) accepts(change stream.Change) bool {
	return a.acceptable(change) && slices.ContainsFunc(a.config.Accept, func(c stream.Change) bool {
		return c.Kind == change.Kind && a.topicName(c.Topic) == change.Topic
	})
}

// acceptable reports whether Config.Accept may name a change. Rows of windows and of joins that keep duplicates
// cannot be read as those of other ones by any program.
func (a *App) acceptable(change stream.Change) bool {
	if change.Kind == stream.StateReinterpreted {
		return false
	}
	return change.Kind != stream.StateRetyped || !slices.ContainsFunc(a.inventory.Streams, func(s stream.StreamInventory) bool {
		return slices.ContainsFunc(s.Stores, func(s stream.StoreInventory) bool {
			return s.Operator == "window" && a.topicName(s.Changelog) == change.Topic
		})
	})
}

// remedies say how to go on without a change, by its kind.
var remedies = map[stream.ChangeKind]string{
	stream.StateOrphaned:      "its state would be lost: keep the names of input topics, operations and stores",
	stream.StateReused:        "its state would be taken for that of another operator: give the new store another name",
	stream.StateRetyped:       "its state may be read as something else: keep the type and codec, or give the new store another name, which begins empty",
	stream.StateReinterpreted: "its state would be taken for something else: give the new store another name, which begins empty",
	stream.StateStale:         "state of an earlier version would count as if it were up to date: delete the changelog and the state directories, so that the store begins empty, or give it another name",
	stream.TopicOrphaned:      "records that were not read yet would be lost: let the version before read them first, without new input",
	stream.TopicRetyped:       "records that were not read yet may be read as something else: let the version before read them first, without new input",
}

// refusalOf says that a change is refused, and how to go on.
func (a *App) refusalOf(change stream.Change) string {
	if !a.acceptable(change) {
		return fmt.Sprintf("upgrade: %s: %s", change, remedies[change.Kind])
	}
	return fmt.Sprintf("upgrade: %s: %s; or accept it with {Kind: %q, Topic: %q} in Config.Accept",
		change, remedies[change.Kind], change.Kind, change.Topic)
}

// approved keeps the inventory of the topology as that of the group, and logs new parts.
func (u *upgrade) approved(ctx context.Context, replication int16) error {
	a := u.app
	for _, change := range u.changes {
		if change.Harmless() {
			a.config.Logger.Info("upgrade: "+string(change.Kind), "topic", change.Topic, "note", change.Note)
		}
	}
	for _, change := range u.accepted {
		a.config.Logger.Warn("upgrade: accepted by Config.Accept: "+string(change.Kind), "topic", change.Topic, "note", change.Note)
	}
	if unused := len(a.config.Accept) - len(u.accepted); unused > 0 {
		a.config.Logger.Warn("Config.Accept names changes that there are not; remove them, so that they accept no later change", "changes", unused)
	}
	if u.same || !u.known && !keeps(a.inventory) {
		return nil
	}
	text, err := json.Marshal(keptInventory{inventoryFormat, a.inventory})
	if err != nil {
		return err
	}
	if err := inventory.Write(ctx, u.cluster, a.inventoryTopic(), replication, text, time.Now()); err != nil {
		return fmt.Errorf("keep the inventory of the group: %w", err)
	}
	return nil
}

// keeps reports whether a topology has state or internal topics.
func keeps(inventory stream.Inventory) bool {
	return slices.ContainsFunc(inventory.Streams, func(s stream.StreamInventory) bool { return len(s.Stores)+len(s.Repartitions) > 0 })
}

// reformat is asked when the rows of a store on disk were written in another format. If the group has an inventory, the
// change was reviewed; otherwise the inventory was lost, and it has to be accepted here.
func (u *upgrade) reformat(s graph.Store, before, now database.Format) error {
	stores := func(f database.Format) stream.Inventory {
		return stream.Inventory{Streams: []stream.StreamInventory{{Stores: []stream.StoreInventory{{
			Name: s.Name, Changelog: s.Changelog, Operator: f.Operator, Key: f.Key, State: f.State, Meaning: f.Meaning,
		}}}}}
	}
	for _, change := range stream.Diff(stores(before), stores(now)) {
		if u.known || u.app.accepts(change) {
			u.app.config.Logger.Info("upgrade: "+string(change.Kind)+" on disk", "topic", change.Topic, "note", change.Note)
			continue
		}
		return errors.New(u.app.refusalOf(change))
	}
	return nil
}
