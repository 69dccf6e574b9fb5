package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// position is where a reader goes on, as JSON.
type position struct {
	// Table is the number of the table that the snapshot is in, and After the key of the last row read, as text. Done is set when the snapshot is
	// complete.
	Table int      `json:"table,omitempty"`
	After []string `json:"after,omitempty"`
	Done  bool     `json:"done,omitempty"`
	// Ranges are the parts of the tables that were read in one transaction each, by table, with ascending keys.
	Ranges map[string][]span `json:"ranges,omitempty"`
	// LSN is behind the last transaction that was read as a whole. Begun is the commit of the one after it, and Changes how many of its
	// messages were read, if it was read in part.
	LSN     uint64 `json:"lsn,omitempty"`
	Begun   uint64 `json:"begun,omitempty"`
	Changes int    `json:"changes,omitempty"`
}

// span is the part of a table behind a key, up to the next span.
type span struct {
	From     []string `json:"from,omitempty"`
	Snapshot string   `json:"snapshot"`
}

func (p *position) encode() ([]byte, error) { return json.Marshal(p) }

func decodePosition(data []byte) (p position, err error) {
	if data != nil {
		if err = json.Unmarshal(data, &p); err != nil {
			return p, fmt.Errorf("position %q: %w", data, err)
		}
	}
	if p.Ranges == nil {
		p.Ranges = map[string][]span{}
	}
	return p, nil
}

// snapshot is the result of pg_current_snapshot: "xmin:xmax:xip,xip". A transaction is visible if it is before xmax and not in xip.
type snapshot struct {
	xmin, xmax uint64
	running    []uint64
}

func parseSnapshot(text string) (s snapshot, err error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 {
		return s, fmt.Errorf("snapshot %q is not of the form xmin:xmax:list", text)
	}
	if s.xmin, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return s, fmt.Errorf("snapshot %q: %w", text, err)
	}
	if s.xmax, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return s, fmt.Errorf("snapshot %q: %w", text, err)
	}
	for x := range strings.SplitSeq(parts[2], ",") {
		if x == "" {
			continue
		}
		n, err := strconv.ParseUint(x, 10, 64)
		if err != nil {
			return s, fmt.Errorf("snapshot %q: %w", text, err)
		}
		s.running = append(s.running, n)
	}
	return s, nil
}

// visible reports whether the snapshot has the changes of a transaction. The log has the lower half of its number only, and the number
// is less than 2^31 away from xmax, because ranges are forgotten long before; see reader.settle.
func (s *snapshot) visible(xid uint32) bool {
	full := s.xmax + uint64(int64(int32(xid-uint32(s.xmax))))
	return full < s.xmax && (full < s.xmin || !slices.Contains(s.running, full))
}
