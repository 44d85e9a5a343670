"""A message profile for tests: a clinic's appointments with one patient and any number of insurances."""

from __future__ import annotations

PROFILE = """<?xml version="1.0"?>
<HL7v2xConformanceProfile HL7Version="2.5.1" ProfileType="Implementation">
 <MetaData Name="appointments" OrgName="clinic"/>
 <HL7v2xStaticDef MsgType="SIU" EventType="S12" MsgStructID="SIU_S12" Role="Sender">
  <Segment Name="MSH" Usage="R" Min="1" Max="1"/>
  <Segment Name="SCH" Usage="R" Min="1" Max="1">
   <Field Name="Placer" Usage="R" Min="1" Max="1" Datatype="EI" Length="20">
    <Component Name="Entity" Usage="R" Datatype="ST" Length="8"/>
    <Component Name="Namespace" Usage="O" Datatype="IS"/>
   </Field>
   <Field Name="Filler" Usage="X" Datatype="EI"/>
   <Field Name="Occurrence" Usage="O" Max="2" Datatype="NM"/>
   <Field Name="Group" Usage="O" Max="1" Datatype="ST" ConstantValue="PT"/>
  </Segment>
  <Segment Name="NTE" Usage="X" Min="0" Max="0"/>
  <SegGroup Name="PATIENT" Usage="R" Min="1" Max="1">
   <Segment Name="PID" Usage="R" Min="1" Max="1">
    <Field Name="Set" Usage="O" Max="1" Datatype="SI"/>
    <Field Name="Old id" Usage="X" Datatype="CX"/>
    <Field Name="Ids" Usage="R" Min="2" Max="*" Datatype="CX"/>
    <Field Name="Alternate" Usage="RE" Max="1" Datatype="CX"/>
    <Field Name="Name" Usage="R" Min="1" Max="1" Datatype="XPN">
     <Component Name="Family" Usage="R" Datatype="FN">
      <SubComponent Name="Surname" Usage="R" Datatype="ST"/>
      <SubComponent Name="Prefix" Usage="X" Datatype="ST"/>
     </Component>
     <Component Name="Given" Usage="RE" Datatype="ST"/>
    </Field>
    <Field Name="Mother" Usage="O" Max="1" Datatype="XPN"/>
    <Field Name="Born" Usage="O" Max="1" Datatype="TS"/>
    <Field Name="Sex" Usage="R" Max="1" Datatype="IS" Table="0001"/>
   </Segment>
   <SegGroup Name="INSURANCE" Usage="O" Min="0" Max="2">
    <Segment Name="IN1" Usage="R" Min="1" Max="1"/>
    <Segment Name="IN2" Usage="O" Min="0" Max="1"/>
   </SegGroup>
  </SegGroup>
 </HL7v2xStaticDef>
</HL7v2xConformanceProfile>
"""
HEAD = "MSH|^~\\&|A|B|C|D|20260105||SIU^S12^SIU_S12|1|P|2.5.1\r"
SCH = "SCH|APP1^PT||1~2|PT\r"
PID = "PID|1||77^^^PT^MR~S1^^^SSA^SS||ROE^JANE||19800101|F\r"
INSURED = "IN1|1|A\rIN2|1\rIN1|2|B\r"
