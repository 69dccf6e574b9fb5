package redis

import (
	"strconv"
	"strings"
	"sync"
)

// slots is the number of slots of a Redis Cluster.
const slots = 16384

// slotOf returns the slot of a key: CRC16/XMODEM of the text between its first braces, or of all of it (Redis Cluster specification).
func slotOf(key string) int {
	if from := strings.IndexByte(key, '{'); from >= 0 {
		if n := strings.IndexByte(key[from+1:], '}'); n > 0 {
			key = key[from+1 : from+1+n]
		}
	}
	crc := uint16(0)
	for i := range len(key) {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^key[i]]
	}
	return int(crc % slots)
}

var crcTable = func() (table [256]uint16) {
	const polynomial = 0x1021
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ polynomial
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()

// slotTags returns a short text for each slot that lies in it.
var slotTags = sync.OnceValue(func() []string {
	tags := make([]string, slots)
	for i, left := int64(0), slots; left > 0; i++ {
		tag := strconv.FormatInt(i, 36)
		if slot := slotOf(tag); tags[slot] == "" {
			tags[slot] = tag
			left--
		}
	}
	return tags
})
