package filesink

import (
	"fmt"

	"github.com/weirstreams/weir/internal/connector"
)

// fileName returns the name of a file without its ending: FROM-TO-NUMBER-UNIQUE, with the topic and the partition in front of it unless they are the
// folder. number counts the files of the checkpoint in one place, so that the order of names is that of records.
func fileName(at place, number int, from, to int64, unique, suffix string, replace bool) string {
	name := fmt.Sprintf("%019d-%019d", from, to)
	if own, err := folderPath([]string{at.topic, fmt.Sprint(at.partition)}, maxLocalFolder); err != nil || own != at.folder {
		topic, err := connector.Segment(at.topic) // names of topics are short and have only harmless characters
		if err != nil {
			topic = "topic"
		}
		name = fmt.Sprintf("%s-%d-%s", topic, at.partition, name)
	}
	name += fmt.Sprintf("-%04d", number)
	if !replace {
		name += "-" + unique
	}
	return name + suffix
}
