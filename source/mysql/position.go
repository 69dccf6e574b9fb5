package mysql

import (
	"encoding/json"
	"fmt"
)

// place is a boundary between two transactions in the log of a server.
type place struct {
	// File and Pos are the place in the log of one server. GTID is the set of the transactions before it, which every server of the replication knows; it is
	// empty on servers without global identifiers.
	File string `json:"file,omitempty"`
	Pos  uint32 `json:"pos,omitempty"`
	GTID string `json:"gtid,omitempty"`
}

// position is where a reader goes on, as JSON.
type position struct {
	// Tables are those that were read so far.
	Tables []string `json:"tables,omitempty"`
	// Table is the number of the table that the snapshot is in, and After the key of the last row read, as text. Done is set when the snapshot is
	// complete.
	Table int      `json:"table,omitempty"`
	After []string `json:"after,omitempty"`
	Done  bool     `json:"done,omitempty"`
	// Ranges are the parts of the tables that were read in one transaction each, by table, with ascending keys.
	Ranges map[string][]span `json:"ranges,omitempty"`
	// Started is set when the place in the log is known, which is behind the last transaction that was read as a whole. Begun names the one after it, and
	// Changes is how many of its changes were read, if it was read in part.
	Started bool `json:"started,omitempty"`
	place
	Begun   string `json:"begun,omitempty"`
	Changes int    `json:"changes,omitempty"`
	// Server is the server that File and Pos are of, and ByGTID says that the log is read behind GTID instead.
	Server string `json:"server,omitempty"`
	ByGTID bool   `json:"by_gtid,omitempty"`
}

// span is the part of a table behind a key, up to the next span. Its rows have all changes before its place, and no later ones.
type span struct {
	From []string `json:"from,omitempty"`
	place
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
