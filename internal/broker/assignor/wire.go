package assignor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
)

// The wire format of a subscription, and of the data of an assignment, is a version, which is 1, and sections: a tag, a
// length, and as many bytes. Numbers are unsigned varints. A reader skips sections that it does not know, so that a later
// version may add some; a section that an older reader would misread gets a new tag. Tags are never used again.
const (
	wireVersion = 1

	topicsSection      = 1 // count, then names: the other sections refer to their positions
	unitsSection       = 2 // count, then for each: count, topics
	ownedSection       = 3 // length and text of the member id, generation + 1, partitions
	warmSection        = 4 // partitions
	knownSection       = 5 // number
	fingerprintSection = 6 // text
	endpointSection    = 7 // text
)

// Partitions are a count of topics, then for each: topic, count, partition numbers as the distance to the one before.

var errCorrupt = errors.New("data of the group protocol is corrupt")

// Encode returns the wire format of s.
func (s Subscription) Encode() []byte {
	table := topicTable(s)
	var topics, units, owned, warm, known []byte
	topics = binary.AppendUvarint(topics, uint64(len(table)))
	for _, topic := range table {
		topics = appendText(topics, topic)
	}
	units = binary.AppendUvarint(units, uint64(len(s.Units)))
	for _, unit := range s.Units {
		units = binary.AppendUvarint(units, uint64(len(unit)))
		for _, topic := range unit {
			i, _ := slices.BinarySearch(table, topic)
			units = binary.AppendUvarint(units, uint64(i))
		}
	}
	owned = appendText(owned, s.MemberID)
	owned = binary.AppendUvarint(owned, uint64(uint32(s.Generation+1)))
	owned = appendPartitions(owned, s.Owned, table)
	warm = appendPartitions(warm, s.Warm, table)
	known = binary.AppendUvarint(known, uint64(max(s.Known, 0)))
	var endpoint []byte
	if s.Endpoint != "" {
		endpoint = appendText(nil, s.Endpoint)
	}
	return encodeSections([][]byte{
		topicsSection: topics, unitsSection: units, ownedSection: owned, warmSection: warm, knownSection: known,
		fingerprintSection: appendText(nil, s.Fingerprint), endpointSection: endpoint,
	})
}

// encodeSections returns the wire format of sections by tag. A nil section is left out.
func encodeSections(sections [][]byte) []byte {
	wire := []byte{wireVersion}
	for tag, section := range sections {
		if tag > 0 && section != nil {
			wire = binary.AppendUvarint(wire, uint64(tag))
			wire = appendText(wire, string(section))
		}
	}
	return wire
}

// decodeSections reads the wire format of any version from 1 on. The returned function gives the section of a tag; one that
// is not there reads as if it held nothing.
func decodeSections(wire []byte) (section func(tag uint64) *reader, err error) {
	if len(wire) == 0 || wire[0] == 0 {
		return nil, fmt.Errorf("%w: no version", errCorrupt)
	}
	sections := map[uint64]*reader{}
	for r := (&reader{wire: wire[1:]}); len(r.wire) > 0; {
		tag := r.number()
		sections[tag] = &reader{wire: r.bytes()}
		if r.failed {
			return nil, fmt.Errorf("%w: section %d", errCorrupt, tag)
		}
	}
	return func(tag uint64) *reader {
		if r := sections[tag]; r != nil {
			return r
		}
		return &reader{wire: []byte{0, 0, 0}}
	}, nil
}

func topicTable(s Subscription) []string {
	table := slices.Concat(s.Units...)
	for _, tp := range slices.Concat(s.Owned, s.Warm) {
		table = append(table, tp.Topic)
	}
	slices.Sort(table)
	return slices.Compact(table)
}

func appendText(wire []byte, text string) []byte {
	return append(binary.AppendUvarint(wire, uint64(len(text))), text...)
}

func appendPartitions(wire []byte, tps []broker.TopicPartition, table []string) []byte {
	byTopic := map[string][]int32{}
	for _, tp := range tps {
		byTopic[tp.Topic] = append(byTopic[tp.Topic], tp.Partition)
	}
	wire = binary.AppendUvarint(wire, uint64(len(byTopic)))
	for i, topic := range table {
		numbers := byTopic[topic]
		if len(numbers) == 0 {
			continue
		}
		slices.Sort(numbers)
		numbers = slices.Compact(numbers)
		wire = binary.AppendUvarint(wire, uint64(i))
		wire = binary.AppendUvarint(wire, uint64(len(numbers)))
		last := int32(0)
		for _, n := range numbers {
			wire = binary.AppendUvarint(wire, uint64(n-last))
			last = n
		}
	}
	return wire
}

// Decode reads the wire format. It takes any version from 1 on. Partitions come out sorted.
func Decode(wire []byte) (Subscription, error) {
	section, err := decodeSections(wire)
	if err != nil {
		return Subscription{}, err
	}
	var s Subscription
	r := section(topicsSection)
	table := make([]string, r.count())
	for i := range table {
		table[i] = string(r.bytes())
		r.failed = r.failed || table[i] == ""
	}
	failed := r.failed

	r = section(unitsSection)
	for range r.count() {
		unit := make([]string, r.count())
		for i := range unit {
			unit[i] = r.topic(table)
		}
		s.Units = append(s.Units, unit)
	}
	failed = failed || r.failed

	r = section(ownedSection)
	s.MemberID = string(r.bytes())
	generation := r.number()
	s.Generation = int32(min(generation, math.MaxInt32)) - 1
	s.Owned = r.partitions(table)
	failed = failed || r.failed || generation > math.MaxInt32

	r = section(warmSection)
	s.Warm = r.partitions(table)
	failed = failed || r.failed

	r = section(knownSection)
	s.Known = int(min(r.number(), math.MaxInt32))
	failed = failed || r.failed

	r = section(fingerprintSection)
	s.Fingerprint = string(r.bytes())
	failed = failed || r.failed

	r = section(endpointSection)
	s.Endpoint = string(r.bytes())
	if failed || r.failed {
		return Subscription{}, errCorrupt
	}
	return s, nil
}

// reader reads from the front of wire, and returns zero values once it has failed.
type reader struct {
	wire   []byte
	failed bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.wire)
	if r.failed || size <= 0 {
		r.failed = true
		return 0
	}
	r.wire = r.wire[size:]
	return n
}

// count reads the number of following elements. Each takes at least one byte.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.wire)) {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.count()
	bytes := r.wire[:n]
	r.wire = r.wire[n:]
	return bytes
}

func (r *reader) topic(table []string) string {
	i := r.number()
	if i >= uint64(len(table)) {
		r.failed = true
		return ""
	}
	return table[i]
}

func (r *reader) partitions(table []string) []broker.TopicPartition {
	var tps []broker.TopicPartition
	for range r.count() {
		topic := r.topic(table)
		last := uint64(0)
		for range r.count() {
			distance := r.number()
			last += min(distance, math.MaxInt32+1)
			if r.failed || last > math.MaxInt32 {
				r.failed = true
				return nil
			}
			tps = append(tps, broker.TopicPartition{Topic: topic, Partition: int32(last)})
		}
	}
	slices.SortFunc(tps, broker.TopicPartition.Compare)
	return tps
}
