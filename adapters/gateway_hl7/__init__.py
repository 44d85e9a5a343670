"""HL7 v2.3 to 2.8: messages over MLLP and from files, from any system that speaks the standard.

Gives appointments from SIU S12-S17 and S26, patients from their PID and from ADT A01, A04, A08 and A31, and merges of
patients from ADT A40. Every message is acknowledged AA once it is stored, AR when its header alone shows that it
cannot be read. HL7 v2 cannot be asked: there are no lists to poll, so what was missed while no one listened comes only
if the sender keeps it.

Standard: https://www.hl7.org/implement/standards/product_brief.cfm?product_id=185
"""
