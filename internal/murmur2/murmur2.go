// Package murmur2 is the hash by which Kafka's clients place keys on partitions.
package murmur2

import "encoding/binary"

const (
	seed  = 0x9747b28c
	mul   = 0x5bd1e995
	shift = 24
)

// Sum returns the 32-bit MurmurHash2 of data with the seed of Kafka's Java client
// (org.apache.kafka.common.utils.Utils.murmur2).
func Sum(data []byte) uint32 {
	h := uint32(seed) ^ uint32(len(data))
	for len(data) >= 4 {
		k := binary.LittleEndian.Uint32(data) * mul
		k ^= k >> shift
		h = h*mul ^ k*mul
		data = data[4:]
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * mul
	}
	h = (h ^ h>>13) * mul
	return h ^ h>>15
}

// Partition returns the partition, out of n, that the Java client gives to a record with this key. A nil key gets the
// partition of the empty one, so that records without a key stay in order.
func Partition(key []byte, n int32) int32 {
	return int32(Sum(key)&0x7fffffff) % n
}
