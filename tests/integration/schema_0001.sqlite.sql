CREATE TABLE audit_leaves (
	tenant VARCHAR(64) NOT NULL,
	leaf BIGINT NOT NULL,
	writer INTEGER NOT NULL,
	seq BIGINT NOT NULL,
	hash BLOB NOT NULL,
	PRIMARY KEY (tenant, leaf)
)
 WITHOUT ROWID;
CREATE UNIQUE INDEX audit_leaves_row ON audit_leaves (tenant, writer, seq);
CREATE TABLE audit_rows (
	tenant VARCHAR(64) NOT NULL,
	writer INTEGER NOT NULL,
	seq BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (tenant, writer, seq)
)
 WITHOUT ROWID;
CREATE TABLE audit_writers (
	writer INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	started BIGINT NOT NULL
);
CREATE TABLE blocks (
	name VARCHAR(32) NOT NULL,
	next BIGINT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE changes (
	tenant VARCHAR(64) NOT NULL,
	lane SMALLINT NOT NULL,
	position BIGINT NOT NULL,
	kind VARCHAR(8) NOT NULL,
	record_id BLOB NOT NULL,
	type VARCHAR(40) NOT NULL,
	source VARCHAR(64) NOT NULL,
	version INTEGER NOT NULL,
	patient BLOB,
	location BLOB,
	message_id BIGINT NOT NULL,
	mapping BLOB,
	adapter VARCHAR(80) NOT NULL,
	at BIGINT NOT NULL,
	observed_at BIGINT NOT NULL,
	partner_lane SMALLINT,
	partner_position BIGINT,
	key_id BIGINT,
	wrapped BLOB,
	box BLOB,
	PRIMARY KEY (tenant, lane, position)
);
CREATE INDEX changes_record ON changes (tenant, record_id);
CREATE TABLE checkpoints (
	tenant VARCHAR(64) NOT NULL,
	size BIGINT NOT NULL,
	note TEXT NOT NULL,
	frontier BLOB NOT NULL,
	PRIMARY KEY (tenant, size)
);
CREATE TABLE claims (
	tenant VARCHAR(64) NOT NULL,
	route VARCHAR(64) NOT NULL,
	claim_id BIGINT NOT NULL,
	items TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, route, claim_id)
);
CREATE TABLE contexts (
	tenant VARCHAR(64) NOT NULL,
	context_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	wrapped BLOB NOT NULL,
	box BLOB NOT NULL,
	PRIMARY KEY (tenant, context_id)
);
CREATE TABLE deliveries (
	tenant VARCHAR(64) NOT NULL,
	route VARCHAR(64) NOT NULL,
	lane SMALLINT NOT NULL,
	position BIGINT NOT NULL,
	attempt SMALLINT NOT NULL,
	outcome VARCHAR(12) NOT NULL,
	reason VARCHAR(120) NOT NULL,
	receipt TEXT NOT NULL,
	effect BLOB NOT NULL,
	patient BLOB,
	recipient VARCHAR(120) NOT NULL,
	purpose VARCHAR(40) NOT NULL,
	fields TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, route, lane, position, attempt)
)
 WITHOUT ROWID;
CREATE INDEX deliveries_patient ON deliveries (tenant, patient);
CREATE TABLE inbox (
	tenant VARCHAR(64) NOT NULL,
	lane SMALLINT NOT NULL,
	message_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	wrapped BLOB NOT NULL,
	PRIMARY KEY (tenant, lane, message_id)
)
 WITHOUT ROWID;
CREATE TABLE lanes (
	tenant VARCHAR(64) NOT NULL,
	lane SMALLINT NOT NULL,
	head BIGINT NOT NULL,
	PRIMARY KEY (tenant, lane)
)
 WITHOUT ROWID;
CREATE TABLE messages (
	tenant VARCHAR(64) NOT NULL,
	message_id BIGINT NOT NULL,
	source VARCHAR(64) NOT NULL,
	kind VARCHAR(64) NOT NULL,
	control_id VARCHAR(200) NOT NULL,
	digest BLOB NOT NULL,
	received_at BIGINT NOT NULL,
	lane SMALLINT NOT NULL,
	context_id BIGINT,
	repeat_of BIGINT,
	"conflict" BOOLEAN NOT NULL,
	answer VARCHAR(2) NOT NULL,
	place VARCHAR(120) NOT NULL,
	reason VARCHAR(80) NOT NULL,
	box BLOB,
	PRIMARY KEY (tenant, message_id)
);
CREATE INDEX messages_control ON messages (tenant, source, control_id);
CREATE TABLE outcomes (
	tenant VARCHAR(64) NOT NULL,
	message_id BIGINT NOT NULL,
	attempt SMALLINT NOT NULL,
	outcome VARCHAR(12) NOT NULL,
	reason VARCHAR(80) NOT NULL,
	place VARCHAR(120) NOT NULL,
	fix TEXT NOT NULL,
	at BIGINT NOT NULL,
	adapter VARCHAR(80) NOT NULL,
	mapping BLOB,
	changes INTEGER NOT NULL,
	key_id BIGINT,
	wrapped BLOB,
	PRIMARY KEY (tenant, message_id, attempt)
)
 WITHOUT ROWID;
CREATE TABLE records (
	tenant VARCHAR(64) NOT NULL,
	record_id BLOB NOT NULL,
	type VARCHAR(40) NOT NULL,
	source VARCHAR(64) NOT NULL,
	version INTEGER NOT NULL,
	content BLOB NOT NULL,
	source_version VARCHAR(64) NOT NULL,
	patient BLOB,
	lane SMALLINT NOT NULL,
	position BIGINT NOT NULL,
	removed BOOLEAN NOT NULL,
	PRIMARY KEY (tenant, record_id)
)
 WITHOUT ROWID;
CREATE TABLE residue (
	tenant VARCHAR(64) NOT NULL,
	source VARCHAR(64) NOT NULL,
	kind VARCHAR(64) NOT NULL,
	path VARCHAR(120) NOT NULL,
	count BIGINT NOT NULL,
	PRIMARY KEY (tenant, source, kind, path)
);
CREATE TABLE route_cursors (
	tenant VARCHAR(64) NOT NULL,
	route VARCHAR(64) NOT NULL,
	lane SMALLINT NOT NULL,
	position BIGINT NOT NULL,
	PRIMARY KEY (tenant, route, lane)
)
 WITHOUT ROWID;
CREATE TABLE routes (
	tenant VARCHAR(64) NOT NULL,
	route VARCHAR(64) NOT NULL,
	edition INTEGER NOT NULL,
	filter TEXT NOT NULL,
	start TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, route, edition)
);
CREATE TABLE source_cursors (
	tenant VARCHAR(64) NOT NULL,
	source VARCHAR(64) NOT NULL,
	stream VARCHAR(64) NOT NULL,
	cursor TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, source, stream)
);
CREATE TABLE texts (
	hash BLOB NOT NULL,
	kind VARCHAR(16) NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (hash)
);
CREATE TABLE waiting (
	tenant VARCHAR(64) NOT NULL,
	route VARCHAR(64) NOT NULL,
	order_key BLOB NOT NULL,
	lane SMALLINT NOT NULL,
	position BIGINT NOT NULL,
	attempts SMALLINT NOT NULL,
	due_at BIGINT NOT NULL,
	reason VARCHAR(120) NOT NULL,
	PRIMARY KEY (tenant, route, order_key, lane, position)
)
 WITHOUT ROWID;
