package simbroker

import (
	"maps"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/broker"
)

// assign distributes the partitions of all topics over members, which are sorted.
//
// Partitions with equal numbers stay together: the numbers are cut into one range for each member, and the first
// ranges are longer by one where they do not come out even. Topics with unequal subscribers, as they occur while a new
// version of a program is rolled out, are distributed apart.
func assign(members []*member, partitions func(topic string) int32) {
	subscribers := map[string][]*member{}
	for _, m := range members {
		m.assigned = nil
		for _, topic := range m.topics {
			subscribers[topic] = append(subscribers[topic], m)
		}
	}
	type share struct {
		members []*member
		topics  []string
	}
	shares := map[string]*share{}
	for _, topic := range slices.Sorted(maps.Keys(subscribers)) {
		var ids strings.Builder
		for _, m := range subscribers[topic] {
			ids.WriteString(m.id + "\x00")
		}
		s := shares[ids.String()]
		if s == nil {
			s = &share{members: subscribers[topic]}
			shares[ids.String()] = s
		}
		s.topics = append(s.topics, topic)
	}
	for _, ids := range slices.Sorted(maps.Keys(shares)) {
		s := shares[ids]
		var numbers int32
		for _, topic := range s.topics {
			numbers = max(numbers, partitions(topic))
		}
		count := int32(len(s.members))
		from := int32(0)
		for i, m := range s.members {
			to := from + numbers/count
			if int32(i) < numbers%count {
				to++
			}
			for _, topic := range s.topics {
				for number := from; number < min(to, partitions(topic)); number++ {
					m.assigned = append(m.assigned, broker.TopicPartition{Topic: topic, Partition: number})
				}
			}
			from = to
		}
	}
}
