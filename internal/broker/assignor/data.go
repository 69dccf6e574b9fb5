package assignor

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
)

// Data comes with an assignment, from the member that has assigned to all members. The coordinator keeps it with the
// assignment, so that a static member that restarts within the generation gets it too.
type Data struct {
	// Incomplete says that a partition waits for a member to give it up and to join again.
	Incomplete bool
	// Sizes are the numbers of partitions of the topics that were assigned. A member that sees another number joins again.
	Sizes map[string]int32
	// Fingerprints are those of the members' topologies, ordered and each once.
	Fingerprints []string
	// Owners are the partitions that members with an endpoint own, by their endpoints. They are topics of Sizes.
	Owners map[string][]broker.TopicPartition
}

// The sections of Data, in the wire format of a subscription.
const (
	dataTopicsSection       = 1 // count, then for each: name, number of partitions
	dataIncompleteSection   = 2 // number, 1 if it is so
	dataFingerprintsSection = 3 // count, then texts
	dataOwnersSection       = 4 // count, then for each: endpoint, partitions; topics are positions in the sorted names of section 1
)

// Encode returns the wire format of d.
func (d Data) Encode() []byte {
	topics := binary.AppendUvarint(nil, uint64(len(d.Sizes)))
	for _, topic := range slices.Sorted(maps.Keys(d.Sizes)) {
		topics = appendText(topics, topic)
		topics = binary.AppendUvarint(topics, uint64(max(0, d.Sizes[topic])))
	}
	incomplete := []byte{0}
	if d.Incomplete {
		incomplete[0] = 1
	}
	fingerprints := binary.AppendUvarint(nil, uint64(len(d.Fingerprints)))
	for _, f := range d.Fingerprints {
		fingerprints = appendText(fingerprints, f)
	}
	var owners []byte
	if len(d.Owners) > 0 {
		table := slices.Sorted(maps.Keys(d.Sizes))
		owners = binary.AppendUvarint(owners, uint64(len(d.Owners)))
		for _, endpoint := range slices.Sorted(maps.Keys(d.Owners)) {
			owners = appendText(owners, endpoint)
			owners = appendPartitions(owners, d.Owners[endpoint], table)
		}
	}
	return encodeSections([][]byte{
		dataTopicsSection: topics, dataIncompleteSection: incomplete, dataFingerprintsSection: fingerprints, dataOwnersSection: owners,
	})
}

// DecodeData reads the wire format, of any version from 1 on.
func DecodeData(wire []byte) (Data, error) {
	section, err := decodeSections(wire)
	if err != nil {
		return Data{}, err
	}
	d := Data{Sizes: map[string]int32{}}
	r := section(dataTopicsSection)
	for range r.count() {
		topic, size := string(r.bytes()), r.number()
		d.Sizes[topic] = int32(min(size, math.MaxInt32))
	}
	failed := r.failed
	r = section(dataIncompleteSection)
	d.Incomplete = r.number() == 1
	failed = failed || r.failed
	r = section(dataFingerprintsSection)
	for range r.count() {
		d.Fingerprints = append(d.Fingerprints, string(r.bytes()))
	}
	failed = failed || r.failed
	r = section(dataOwnersSection)
	table := slices.Sorted(maps.Keys(d.Sizes))
	for range r.count() {
		endpoint := string(r.bytes())
		if d.Owners == nil {
			d.Owners = map[string][]broker.TopicPartition{}
		}
		d.Owners[endpoint] = r.partitions(table)
	}
	if failed || r.failed {
		return Data{}, errCorrupt
	}
	return d, nil
}

// Fingerprints returns the fingerprints of members, ordered and each once. Members of a version without them count for nothing.
func Fingerprints(members map[string]Subscription) []string {
	var all []string
	for _, m := range members {
		if m.Fingerprint != "" {
			all = append(all, m.Fingerprint)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
