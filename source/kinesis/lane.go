package kinesis

import (
	"crypto/md5" //nolint:gosec // Kinesis chooses shards by it
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// lanes are equal parts of the hashes of partition keys, which have 128 bits. The first 64 bits decide.
type lanes int

// of returns the lane of a hash, by its first 64 bits.
func (n lanes) of(hash uint64) int {
	lane, _ := bits.Mul64(hash, uint64(n))
	return int(lane)
}

// span returns the first and the last lane of a shard.
func (n lanes) span(shard types.Shard) (first, last int, err error) {
	r := shard.HashKeyRange
	if r == nil {
		return 0, 0, fmt.Errorf("shard %s has no range of hashes", aws.ToString(shard.ShardId))
	}
	for bound, lane := range map[string]*int{aws.ToString(r.StartingHashKey): &first, aws.ToString(r.EndingHashKey): &last} {
		hash, ok := new(big.Int).SetString(bound, 10)
		if !ok || hash.Sign() < 0 || hash.BitLen() > 128 {
			return 0, 0, fmt.Errorf("shard %s: %q is no hash", aws.ToString(shard.ShardId), bound)
		}
		*lane = n.of(hash.Rsh(hash, 64).Uint64())
	}
	return first, last, nil
}

// filter returns the function that tells the records of a lane from others of its shard, by their partition keys. nil means that all belong to it.
// The first lane of the shard has the records with a hash of their own (ExplicitHashKey), which Kinesis does not tell.
func (n lanes) filter(lane, first, last int) func(partitionKey string) bool {
	if first == last {
		return nil
	}
	return func(partitionKey string) bool {
		hash := md5.Sum([]byte(partitionKey)) //nolint:gosec // see above
		of := n.of(binary.BigEndian.Uint64(hash[:8]))
		if of < first || of > last {
			of = first
		}
		return of == lane
	}
}

// place is a split: a shard of a data stream as it was made at a time, or the part of it that is in a lane.
type place struct {
	shard   string
	created int64 // time at which the data stream was made, in seconds, because one that is made anew has shards with the same names
	lane    int
	lanes   lanes
}

// String returns the ID of the split: SHARD@CREATED, and /LANE.LANES behind it if there are several lanes.
func (p place) String() string {
	text := p.shard + "@" + strconv.FormatInt(p.created, 10)
	if p.lanes > 1 {
		text += "/" + strconv.Itoa(p.lane) + "." + strconv.Itoa(int(p.lanes))
	}
	return text
}

// parsePlace reads the ID of a split.
func parsePlace(id string) (p place, err error) {
	head, lane, several := strings.Cut(id, "/")
	shard, created, _ := strings.Cut(head, "@")
	p = place{shard: shard, lanes: 1}
	p.created, err = strconv.ParseInt(created, 10, 64)
	if err == nil && several {
		var n int
		if _, err = fmt.Sscanf(lane, "%d.%d", &p.lane, &n); err == nil {
			p.lanes = lanes(n)
		}
	}
	if err != nil || p.String() != id {
		return p, fmt.Errorf("%q is no split of this source", id)
	}
	return p, nil
}
