"""HL7 v2.1 to 2.8: messages over MLLP, over HTTP and from files, from any system that speaks the standard.

Gives patients and visits from ADT A01-A08, A11, A13, A28 and A31, merges from A34 and A40 and their end from A37;
appointments from SIU S12-S17 and S26; charges and payments from DFT P03 and P11, accounts from BAR P01 and P05; signed
notes (the fact alone) from MDM T02; referrals from REF I12-I14, RQA I08-I11, ORM O01 and OMG O19; and wherever they
stand, coverages and payers from IN1, authorizations from IN3 and AUT. Every message is acknowledged AA once it is
stored, AR when its header alone shows that it cannot be read. HL7 v2 cannot be asked: there are no lists to poll, so
what was missed while no one listened comes only if the sender keeps it.

Standard: https://www.hl7.org/implement/standards/product_brief.cfm?product_id=185
"""
