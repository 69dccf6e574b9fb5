package filesink

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
)

// maxLocalFolder leaves room for the directory and the name of the file in the longest path that systems take.
const maxLocalFolder = 2048

// pairMark stands between column and value until the folder is made. It cannot be in text from data without being escaped.
const pairMark = "\x00=\x00"

// Pair returns the folder column=value as a function of the options returns it.
func Pair(column, value string) string { return column + pairMark + value }

func byPartition[K, V any](r *weir.Record[K, V]) ([]string, error) {
	return []string{r.Origin.Topic, strconv.Itoa(int(r.Origin.Partition))}, nil
}

// folderPath returns a folder as a path with slashes, of at most a number of bytes.
func folderPath(folders []string, most int) (string, error) {
	var b strings.Builder
	for i, f := range folders {
		column, value, pair := strings.Cut(f, pairMark)
		var part string
		var err error
		if pair {
			part, err = connector.PairSegment(column, value)
		} else {
			part, err = connector.Segment(f)
		}
		if err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(part)
	}
	if b.Len() > most {
		return "", fmt.Errorf("the folder of the record has a name of %d bytes, more than the %d that there is room for", b.Len(), most)
	}
	return b.String(), nil
}
